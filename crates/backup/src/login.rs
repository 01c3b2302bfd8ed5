use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use steady_launch::environment;
use steady_model::config::{Env, PostgresDump, SecretRef};
use tempfile::NamedTempFile;

use crate::dump::{DumpRequest, passfile_line};
use crate::error::BackupError;

const PREFIX: &str = "pgpass-";

/// What dumps need to log in, for as long as one backup takes: a password is only ever in a private file, never in
/// arguments, in the environment or in the engine's request.
pub(crate) struct Logins {
    of: Vec<(String, PostgresDump, Option<NamedTempFile>)>,
}

impl Logins {
    /// `folder` is private, and nobody else writes logins there meanwhile.
    pub(crate) async fn write(
        postgres: &BTreeMap<String, PostgresDump>,
        folder: &Path,
    ) -> Result<Self, BackupError> {
        let (postgres, folder) = (postgres.clone(), folder.to_owned());
        // A keychain may ask a person.
        let written = tokio::task::spawn_blocking(move || {
            sweep(&folder);
            let of = postgres.into_iter().map(|(name, dump)| {
                let failed = |why| BackupError::Login { name: name.clone(), why };
                let file = dump
                    .server
                    .password
                    .as_ref()
                    .map(|p| passfile(p, &folder))
                    .transpose()
                    .map_err(failed)?;
                Ok((name, dump, file))
            });
            Ok(Self { of: of.collect::<Result<_, BackupError>>()? })
        });
        written.await.map_err(|e| BackupError::Worker { why: e.to_string() })?
    }

    pub(crate) fn requests(&self) -> Vec<DumpRequest> {
        let request = |(name, dump, file): &(String, PostgresDump, Option<NamedTempFile>)| DumpRequest {
            name: name.clone(),
            url: dump.server.url.clone(),
            program: dump.program.clone(),
            passfile: file.as_ref().map(|f| f.path().to_owned()),
        };
        self.of.iter().map(request).collect()
    }
}

/// What an agent that was killed left behind.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn passfile(place: &SecretRef, folder: &Path) -> Result<NamedTempFile, String> {
    const NAME: &str = "STEADY_DUMP_PASSWORD";
    let wanted = Env { secrets: [(NAME.to_owned(), place.clone())].into(), ..Env::default() };
    let found = environment(&wanted, []).map_err(|e| e.to_string())?;
    let secret = found.get(NAME).map(OsStrExt::as_bytes).unwrap_or_default();
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder).map_err(|e| e.to_string())?;
    file.write_all(&passfile_line(secret)).map_err(|e| e.to_string())?;
    Ok(file)
}
