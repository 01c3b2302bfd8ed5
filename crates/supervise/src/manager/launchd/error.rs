use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use steady_model::words;

use super::keys::KeyError;
use super::meaning::meaning;

#[derive(Debug, thiserror::Error)]
pub enum LaunchdError {
    #[error("cannot run {}: {source}; launchd is on macOS only, choose another `manager` elsewhere", program.display())]
    NoTool { program: PathBuf, source: io::Error },
    #[error("launchctl {verb} of {target} did not answer within {}; launchd is busy, try again", words::span(*limit))]
    Overdue { verb: &'static str, target: String, limit: Duration },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "launchd has {target} disabled, and that outlasts a restart of the Mac; allow it: launchctl enable {target}"
    )]
    Disabled { target: String },
    #[error(
        "user {uid} has no session with launchd, neither at the screen (gui/{uid}) nor in the background (user/{uid}); log in once"
    )]
    NoDomain { uid: u32 },
    #[error(
        "no property list with the label {label} in {folders}; correct `unit`, or leave it out and Steady makes one"
    )]
    NotDefined { label: String, folders: String },
    #[error("cannot read the property list {}: {source}; check it with plutil -lint", file.display())]
    Unreadable { file: PathBuf, source: plist::Error },
    #[error("the property list {}: {source}", file.display())]
    Invalid { file: PathBuf, source: KeyError },
    #[error("{} is not UTF-8, and a property list can hold nothing else; give it another name", path.display())]
    NotText { path: PathBuf },
    #[error("cannot write the property list {}: {source}", file.display())]
    Write { file: PathBuf, source: plist::Error },
    #[error(transparent)]
    Disk(#[from] steady_disk::DiskError),
    #[error("launchd started {target}, and it ended at once ({how}); look at {}", log.display())]
    EndedAtOnce { target: String, how: String, log: PathBuf },
    #[error("launchd took the start of {target}, but there is no process after {}; look at launchctl print {target}", words::span(*limit))]
    NoProcess { target: String, limit: Duration },
    #[error("launchd has not let go of {target} within {}; its old process may hang, look at launchctl print {target}", words::span(*limit))]
    NotRemoved { target: String, limit: Duration },
}

/// launchctl said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub verb: &'static str,
    pub target: String,
    /// -1 when a signal ended it.
    pub code: i32,
    pub said: String,
}

impl Refusal {
    /// Its words without what misleads: root would only see another domain.
    pub fn new(verb: &'static str, target: String, code: i32, said: &str) -> Self {
        let told = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && line != "Bad request." && !line.contains("as root for richer errors")
        };
        let lines: Vec<&str> = said.lines().filter(told).map(str::trim).collect();
        Self { verb, target, code, said: lines.join("; ") }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, target, code, said } = self;
        match meaning(*code) {
            Some(meaning) => write!(
                f,
                "launchctl {verb} of {target}: {}; {} (it ended with {code} and said \"{said}\")",
                meaning.cause, meaning.remedy
            ),
            None => write!(
                f,
                "launchctl {verb} of {target} ended with {code} and said \"{said}\"; look at launchctl error {code}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cryptic_numbers_become_a_cause_and_a_remedy_and_the_advice_to_be_root_goes() {
        let refusals = [
            (
                "bootstrap",
                5,
                "Bootstrap failed: 5: Input/output error\nTry re-running the command as root for richer errors.\n",
            ),
            ("bootstrap", 37, "Bootstrap failed: 37: Operation already in progress\n"),
            ("bootstrap", 119, "/x.plist: Service is disabled\nBootstrap failed: 119: Service is disabled\n"),
            ("bootstrap", 125, "Bootstrap failed: 125: Domain does not support specified action\n"),
            ("kickstart", 113, "Bad request.\nCould not find service \"x\" in domain for user gui: 501\n"),
            ("bootstrap", 199, "Bootstrap failed: 199: Unknown error\n"),
        ];
        let said =
            refusals.map(|(verb, code, said)| Refusal::new(verb, "gui/501/x".into(), code, said).to_string());
        insta::assert_snapshot!(said.join("\n"));
    }
}
