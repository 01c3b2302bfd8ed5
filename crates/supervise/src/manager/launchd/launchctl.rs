//! The tool, by argument array and with a time limit.

use std::fmt;
use std::path::Path;

use steady_launch::keychain::Tool;

use super::error::{LaunchdError, Refusal};
use super::printed::{Printed, is_disabled};

/// "No such process": not loaded.
const ESRCH: i32 = 3;
/// bootout goes on behind the tool's back.
const EINPROGRESS: i32 = 36;
const EALREADY: i32 = 37;
const NO_DOMAIN: i32 = 112;
const NO_SERVICE: i32 = 113;
const DISABLED: i32 = 119;
/// What a session that nobody is logged in to answers, where older systems say [`NO_DOMAIN`].
const UNSUPPORTED: i32 = 125;

/// Where a user's jobs live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The session at the screen.
    Gui(u32),
    /// The session that is there without one, e.g. over ssh on a Mac without a screen.
    User(u32),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gui(uid) => write!(f, "gui/{uid}"),
            Self::User(uid) => write!(f, "user/{uid}"),
        }
    }
}

/// What launchd knows of a label in one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Loaded(Box<Printed>),
    NotLoaded,
    NoDomain,
}

#[derive(Debug, Clone)]
pub struct Launchctl(pub Tool);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Launchctl {
    pub fn print(&self, domain: Domain, label: &str) -> Result<Known, LaunchdError> {
        let target = format!("{domain}/{label}");
        let said = self.ask("print", &target, &["print", &target])?;
        match said.code {
            0 => Ok(Known::Loaded(Box::new(Printed::parse(&said.out)))),
            NO_SERVICE => Ok(Known::NotLoaded),
            NO_DOMAIN | UNSUPPORTED => Ok(Known::NoDomain),
            _ => Err(said.refusal("print", target).into()),
        }
    }

    pub fn is_disabled(&self, domain: Domain, label: &str) -> Result<bool, LaunchdError> {
        let target = domain.to_string();
        let said = self.ask("print-disabled", &target, &["print-disabled", &target])?;
        match said.code {
            0 => Ok(is_disabled(&said.out, label)),
            _ => Err(said.refusal("print-disabled", target).into()),
        }
    }

    /// Loads a job. `Ok(None)` is done; a refusal that may only be the tail of an earlier order is for the caller to
    /// judge.
    pub fn bootstrap(
        &self,
        domain: Domain,
        label: &str,
        file: &Path,
    ) -> Result<Option<Refusal>, LaunchdError> {
        let path = file.to_str().ok_or_else(|| LaunchdError::NotText { path: file.to_owned() })?;
        let target = format!("{domain}/{label}");
        let said = self.ask("bootstrap", &target, &["bootstrap", &domain.to_string(), path])?;
        match said.code {
            0 => Ok(None),
            DISABLED => Err(LaunchdError::Disabled { target }),
            _ => Ok(Some(said.refusal("bootstrap", target))),
        }
    }

    /// Ends and unloads a job; one that is not loaded is fine. Returns before its process has ended.
    pub fn bootout(&self, domain: Domain, label: &str) -> Result<(), LaunchdError> {
        let target = format!("{domain}/{label}");
        match self.ask("bootout", &target, &["bootout", &target]) {
            Ok(said) => match said.code {
                0 | ESRCH | EINPROGRESS | NO_SERVICE => Ok(()),
                _ => Err(said.refusal("bootout", target).into()),
            },
            // Some systems wait for the process; the order stands.
            Err(LaunchdError::Overdue { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Starts a job now, whatever its throttle says; its pid, unless it runs already.
    pub fn kickstart(&self, domain: Domain, label: &str) -> Result<Option<u32>, LaunchdError> {
        let target = format!("{domain}/{label}");
        let said = self.ask("kickstart", &target, &["kickstart", "-p", &target])?;
        match said.code {
            // A bare number, or a sentence with it at the end where the tool believes to speak to a terminal.
            0 => Ok(said.out.split_whitespace().last().and_then(|word| word.parse().ok())),
            EALREADY => Ok(None),
            _ => Err(said.refusal("kickstart", target).into()),
        }
    }

    fn ask(&self, verb: &'static str, target: &str, args: &[&str]) -> Result<Said, LaunchdError> {
        let no_tool = |source| LaunchdError::NoTool { program: self.0.program.clone(), source };
        let answer = self.0.run(args).map_err(no_tool)?;
        let answer = answer.ok_or_else(|| LaunchdError::Overdue {
            verb,
            target: target.to_owned(),
            limit: self.0.limit,
        })?;
        Ok(Said {
            code: answer.code.unwrap_or(-1),
            out: String::from_utf8_lossy(&answer.out).into_owned(),
            err: answer.said.to_string(),
        })
    }
}

impl Said {
    fn refusal(&self, verb: &'static str, target: String) -> Refusal {
        Refusal::new(verb, target, self.code, &self.err)
    }
}
