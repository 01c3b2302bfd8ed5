use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Writer;
use super::lsof;

/// Part of the system since its first version.
const LSOF: &str = "/usr/sbin/lsof";

/// The processes that have the file open for writing, this one among them.
pub fn writers(path: &Path, _file: &Metadata) -> io::Result<Vec<Writer>> {
    // -w: no warnings; -F: for programs, with pid, command and access.
    let output =
        Command::new(LSOF).args(["-w", "-F", "pca", "--"]).arg(path).stdin(Stdio::null()).output()?;
    // It ends with 1 when nobody has the file open, and also when it failed, which it then says.
    if !output.status.success() && !output.stderr.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(format!("lsof: {said}")));
    }
    Ok(lsof::writers(&String::from_utf8_lossy(&output.stdout)))
}
