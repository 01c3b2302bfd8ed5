use std::io;
use std::path::PathBuf;
use std::time::Duration;

use steady_model::words;

#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    #[error("cannot run {}: {source}; install systemd, or choose another `manager`", program.display())]
    NoTool { program: PathBuf, source: io::Error },
    #[error("systemctl {verb} of {unit} did not answer within {}; look at systemctl --user list-jobs", words::span(*limit))]
    Overdue { verb: &'static str, unit: String, limit: Duration },
    #[error(
        "there is no user manager of systemd to speak to (\"{said}\"); log in, or let it run without a login with \
         `loginctl enable-linger`, and see that XDG_RUNTIME_DIR is /run/user/UID"
    )]
    NoBus { said: String },
    #[error("systemd knows no unit {unit}; correct `unit`, or leave it out and Steady makes one")]
    NotFound { unit: String },
    #[error(
        "the unit {unit} is masked, so that nothing may start it; allow it: systemctl --user unmask {unit}"
    )]
    Masked { unit: String },
    #[error("the unit {unit} cannot be read ({state}); check it with: systemd-analyze --user verify {unit}")]
    BadUnit { unit: String, state: String },
    #[error(
        "systemd gave up starting {unit}, because it had ended too often; look at its log, then start it again"
    )]
    StartLimit { unit: String },
    #[error("{unit} was started, and it ended at once ({how}); look at: journalctl --user -u {unit}")]
    EndedAtOnce { unit: String, how: String },
    #[error(
        "systemctl {verb} of {unit} ended with {code} and said \"{said}\"; look at: systemctl --user status {unit}"
    )]
    Refused { verb: &'static str, unit: String, code: i32, said: String },
    #[error("{} is not UTF-8, and a unit can hold nothing else; give it another name", path.display())]
    NotText { path: PathBuf },
    #[error(
        "neither XDG_RUNTIME_DIR nor a session says where units are kept while the user is logged in; log in, or run: loginctl enable-linger"
    )]
    NoRuntimeDir,
    #[error(transparent)]
    Disk(#[from] steady_disk::DiskError),
}

impl SystemdError {
    /// From what the tool said; it has one exit code for nearly everything.
    pub fn new(verb: &'static str, unit: &str, code: i32, said: &str) -> Self {
        let unit = unit.to_owned();
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        let has = |words: &str| said.contains(words);
        // "No medium found" where the session has no bus, "No such file" where the directory is wrong.
        if has("Failed to connect to bus") || has("Failed to connect to user scope bus") {
            return Self::NoBus { said };
        }
        if has("is masked") {
            return Self::Masked { unit };
        }
        if has("not found") || has("not loaded") || has("could not be found") {
            return Self::NotFound { unit };
        }
        if has("attempted too often") || has("repeated too quickly") {
            return Self::StartLimit { unit };
        }
        if has("bad unit file setting") || has("has a bad") {
            return Self::BadUnit { unit, state: "bad-setting".to_owned() };
        }
        Self::Refused { verb, unit, code, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_says_becomes_a_cause_and_a_remedy() {
        let said = [
            "Failed to connect to bus: No medium found\n",
            "Failed to connect to bus: $DBUS_SESSION_BUS_ADDRESS and $XDG_RUNTIME_DIR not defined (consider using \
             --machine=<user>@.host --user to connect to bus of other user)\n",
            "Failed to start a.service: Unit a.service not found.\n",
            "Failed to start a.service: Unit a.service is masked.\n",
            "Job for a.service failed.\nSee \"systemctl --user status a.service\" and \"journalctl --user -xeu a.service\" for details.\n",
            "Job for a.service failed because start of the service was attempted too often.\n",
            "Failed to start a.service: Unit a.service has a bad unit file setting.\n",
        ];
        let told = said.map(|said| SystemdError::new("start", "a.service", 1, said).to_string());
        insta::assert_snapshot!(told.join("\n"));
    }
}
