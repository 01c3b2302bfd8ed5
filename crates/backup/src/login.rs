use std::collections::BTreeMap;
use std::path::Path;

use steady_model::config::{PostgresDump, SecretRef};
use tempfile::NamedTempFile;

use crate::dump::{DumpRequest, passfile_line};
use crate::error::BackupError;
use crate::secret_file;

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
            secret_file::sweep(&folder, PREFIX);
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

fn passfile(place: &SecretRef, folder: &Path) -> Result<NamedTempFile, String> {
    secret_file::write("STEADY_DUMP_PASSWORD", place, (folder, PREFIX), passfile_line)
}
