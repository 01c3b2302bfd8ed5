//! A secret in a private file for as long as the engine needs it: never in arguments, environment or requests.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use steady_launch::environment;
use steady_model::config::{Env, SecretRef};
use tempfile::NamedTempFile;

/// Looks the secret up and writes it as `shape` has it. Blocks: a keychain may ask a person. `name` is for errors.
pub(crate) fn write(
    name: &str,
    place: &SecretRef,
    (folder, prefix): (&Path, &str),
    shape: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<NamedTempFile, String> {
    let wanted = Env { secrets: [(name.to_owned(), place.clone())].into(), ..Env::default() };
    let found = environment(&wanted, []).map_err(|e| e.to_string())?;
    let secret = found.get(name).map(OsStrExt::as_bytes).unwrap_or_default();
    let mut file = tempfile::Builder::new().prefix(prefix).tempfile_in(folder).map_err(|e| e.to_string())?;
    file.write_all(&shape(secret)).map_err(|e| e.to_string())?;
    Ok(file)
}

/// Removes what an agent that was killed left behind.
pub(crate) fn sweep(folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(prefix.as_bytes()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
