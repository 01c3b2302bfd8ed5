//! A job's property list as launchd reads it: what it does not know it ignores.

use std::path::{Path, PathBuf};
use std::time::Duration;

use plist::{Dictionary, Value};

#[derive(Debug, Clone)]
pub struct Definition {
    pub label: String,
    pub program: PathBuf,
    /// The program's name first.
    pub arguments: Vec<String>,
    pub cwd: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    pub run_at_load: bool,
    pub keep_alive: KeepAlive,
    pub throttle: Duration,
    pub exit_timeout: Option<Duration>,
    pub out: Option<PathBuf>,
    pub err: Option<PathBuf>,
    pub abandon_group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    Never,
    Always,
    /// Only after an exit that was a success, or only after one that was not.
    After {
        success: bool,
    },
}

impl Definition {
    pub fn read(file: &Path) -> Option<Self> {
        let value = Value::from_file(file).ok()?;
        let job = value.as_dictionary()?;
        let text = |key: &str| job.get(key).and_then(Value::as_string).map(str::to_owned);
        let flag = |key: &str| job.get(key).and_then(Value::as_boolean).unwrap_or_default();
        let words = |key: &str| {
            let words = job.get(key).and_then(Value::as_array)?;
            words.iter().map(|word| word.as_string().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let arguments = words("ProgramArguments").unwrap_or_default();
        let program = text("Program").or_else(|| arguments.first().cloned())?;
        let arguments = if arguments.is_empty() { vec![program.clone()] } else { arguments };
        let environment = job.get("EnvironmentVariables").and_then(Value::as_dictionary);
        let environment = environment.into_iter().flat_map(|table| {
            table.iter().filter_map(|(name, value)| Some((name.clone(), value.as_string()?.to_owned())))
        });
        let number = |key: &str| job.get(key).and_then(Value::as_unsigned_integer);
        Some(Self {
            label: text("Label")?,
            program: program.into(),
            arguments,
            cwd: text("WorkingDirectory").map(Into::into),
            environment: environment.collect(),
            run_at_load: flag("RunAtLoad"),
            keep_alive: keep_alive(job),
            throttle: seconds(number("ThrottleInterval").unwrap_or(10)),
            exit_timeout: Some(number("ExitTimeOut").unwrap_or(5)).filter(|s| *s != 0).map(seconds),
            out: text("StandardOutPath").map(Into::into),
            err: text("StandardErrorPath").map(Into::into),
            abandon_group: flag("AbandonProcessGroup"),
        })
    }
}

fn keep_alive(job: &Dictionary) -> KeepAlive {
    match job.get("KeepAlive") {
        Some(Value::Boolean(true)) => KeepAlive::Always,
        Some(Value::Dictionary(table)) => match table.get("SuccessfulExit").and_then(Value::as_boolean) {
            Some(success) => KeepAlive::After { success },
            None => KeepAlive::Never,
        },
        _ => KeepAlive::Never,
    }
}

/// launchd's seconds may be short here.
fn seconds(count: u64) -> Duration {
    let one = std::env::var("STAND_IN_SECOND_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(1000);
    Duration::from_millis(count.saturating_mul(one))
}
