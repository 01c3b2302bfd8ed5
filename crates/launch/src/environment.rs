//! The whole environment of a process, and who said what in it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use steady_model::config::{Env, SecretRef};
use zeroize::Zeroize;

use crate::dotenv;
use crate::error::EnvError;
use crate::file;
use crate::keychain::{self, Keychain};
use crate::secret::Secret;

/// All that is inherited: where programs, the user's files and the session are.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];

/// A whole environment, by name. Its `Debug` shows the names only, and its values are wiped when it goes.
#[derive(Default)]
pub struct Environment {
    vars: BTreeMap<OsString, Var>,
}

pub(crate) struct Var {
    value: OsString,
    pub(crate) origin: Origin,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Inherited,
    File,
    Configured,
    Secret,
    Mark,
}

/// What a process is started with: what is inherited, the environment files in their order, the variables, the
/// secrets, and `marks`; the later wins. Files and secrets are read anew each time.
///
/// Blocks: for as long as the keychain takes, at most [`keychain::PATIENCE`].
pub fn environment(
    configured: &Env,
    marks: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Environment, EnvError> {
    environment_with(configured, marks, &keychain::system())
}

/// As [`environment`], with a keychain of one's own.
pub fn environment_with(
    configured: &Env,
    marks: impl IntoIterator<Item = (OsString, OsString)>,
    keychain: &impl Keychain,
) -> Result<Environment, EnvError> {
    let mut whole = Environment::default();
    for name in INHERITED {
        if let Some(value) = env::var_os(name) {
            whole.set(name, value, Origin::Inherited);
        }
    }
    for path in &configured.files {
        for (name, value) in env_file(path)? {
            whole.set(name, value, Origin::File);
        }
    }
    for (name, value) in &configured.vars {
        whole.set(name, value, Origin::Configured);
    }
    for (name, place) in &configured.secrets {
        whole.set(name, look_up(name, place, keychain)?.into_value(), Origin::Secret);
    }
    for (name, value) in marks {
        whole.set(name, value, Origin::Mark);
    }
    Ok(whole)
}

impl Environment {
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.vars.get(name.as_ref()).map(Var::value)
    }

    /// As `Command::envs` takes it.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.vars.iter().map(|(name, var)| (name.as_os_str(), var.value()))
    }

    pub(crate) fn vars(&self) -> impl Iterator<Item = (&OsStr, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_os_str(), var))
    }

    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>, origin: Origin) {
        self.vars.insert(name.into(), Var { value: value.into(), origin });
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

impl Var {
    pub(crate) fn value(&self) -> &OsStr {
        &self.value
    }
}

impl Drop for Var {
    fn drop(&mut self) {
        std::mem::take(&mut self.value).into_vec().zeroize();
    }
}

/// Name and value of each line of an environment file, in order. Of two equal names the later one counts.
pub fn env_file(path: &Path) -> Result<Vec<(String, String)>, EnvError> {
    let (_, bytes) = file::read(path)
        .map_err(|source| EnvError::File { path: path.to_owned(), source })?
        .ok_or_else(|| EnvError::NotAFile { path: path.to_owned() })?;
    dotenv::parse(&bytes).map_err(|fault| EnvError::Syntax {
        path: path.to_owned(),
        line: fault.line,
        syntax: fault.syntax,
    })
}

fn look_up(name: &str, place: &SecretRef, keychain: &impl Keychain) -> Result<Secret, EnvError> {
    let name = || name.to_owned();
    let secret = match place {
        SecretRef::File(path) => read_secret(name(), path)?,
        SecretRef::EnvFile { path, variable } => variable_of(name(), path, variable)?,
        SecretRef::Keychain { service, account } => keychain
            .find(service, account.as_deref())
            .map_err(|source| EnvError::Keychain { name: name(), source })?,
    };
    if secret.expose().is_empty() {
        return Err(EnvError::SecretEmpty { name: name() });
    }
    if secret.expose().contains(&0) {
        return Err(EnvError::SecretZero { name: name() });
    }
    Ok(secret)
}

/// Its mode is not judged: the file belongs to another program, which decides who else must read it.
fn variable_of(name: String, path: &Path, variable: &str) -> Result<Secret, EnvError> {
    // Of two equal names the later one counts, as in an environment.
    let mut vars = env_file(path)?.into_iter().rev().map(|(name, value)| (name, Secret::new(value)));
    let found = vars.find(|(name, _)| name == variable);
    found.map(|(_, value)| value).ok_or_else(|| EnvError::NoVariable {
        name,
        path: path.to_owned(),
        variable: variable.to_owned(),
    })
}

/// Who may write it could put another secret in its place, so that counts as much as reading.
fn read_secret(name: String, path: &Path) -> Result<Secret, EnvError> {
    use std::os::unix::fs::PermissionsExt;

    let path = path.to_owned();
    let (metadata, mut bytes) = match file::read(&path) {
        Ok(Some(read)) => read,
        Ok(None) => return Err(EnvError::NotAFile { path }),
        Err(source) => return Err(EnvError::SecretFile { name, path, source }),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o066 != 0 {
        // Of a link, the file that it leads to is the one whose mode has to change.
        let path = path.canonicalize().unwrap_or(path);
        return Err(EnvError::SecretShared { name, path, mode });
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)).without_line_end())
}
