//! The tool, by argument array and with a time limit.

use steady_launch::keychain::Tool;

use super::error::SystemdError;
use super::shown::{PROPERTIES, Shown};

#[derive(Debug, Clone)]
pub struct Systemctl(pub Tool);

impl Systemctl {
    /// Also of a unit that does not exist: its `load` says so.
    pub fn show(&self, unit: &str) -> Result<Shown, SystemdError> {
        let property = format!("--property={PROPERTIES}");
        Ok(Shown::parse(&self.ask("show", unit, &["show", &property, "--", unit])?))
    }

    /// Returns when its program was executed.
    pub fn start(&self, unit: &str) -> Result<(), SystemdError> {
        self.ask("start", unit, &["start", "--", unit]).map(drop)
    }

    /// The same for one that waits for its next start, which systemd would let a start wait for too.
    pub fn restart(&self, unit: &str) -> Result<(), SystemdError> {
        self.ask("restart", unit, &["restart", "--", unit]).map(drop)
    }

    /// Returns when the order was taken.
    pub fn stop(&self, unit: &str) -> Result<(), SystemdError> {
        self.ask("stop", unit, &["stop", "--no-block", "--", unit]).map(drop)
    }

    /// KILL to all processes of its control group.
    pub fn kill(&self, unit: &str) -> Result<(), SystemdError> {
        self.ask("kill", unit, &["kill", "--signal=SIGKILL", "--", unit]).map(drop)
    }

    /// Forgets a failure and its count of starts.
    pub fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        self.ask("reset-failed", unit, &["reset-failed", "--", unit]).map(drop)
    }

    pub fn daemon_reload(&self) -> Result<(), SystemdError> {
        self.ask("daemon-reload", "all units", &["daemon-reload"]).map(drop)
    }

    fn ask(&self, verb: &'static str, unit: &str, args: &[&str]) -> Result<String, SystemdError> {
        let args: Vec<&str> =
            ["--user", "--no-pager", "--no-ask-password"].iter().chain(args).copied().collect();
        let no_tool = |source| SystemdError::NoTool { program: self.0.program.clone(), source };
        let answer = self.0.run(&args).map_err(no_tool)?;
        let overdue = || SystemdError::Overdue { verb, unit: unit.to_owned(), limit: self.0.limit };
        let answer = answer.ok_or_else(overdue)?;
        match answer.code {
            Some(0) => Ok(String::from_utf8_lossy(&answer.out).into_owned()),
            code => Err(SystemdError::new(verb, unit, code.unwrap_or(-1), &answer.said)),
        }
    }
}
