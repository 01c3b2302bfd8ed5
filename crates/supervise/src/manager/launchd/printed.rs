//! What `launchctl print` and `launchctl print-disabled` say, as the real tool words it.
//!
//! The format is documented as not being one. Only fields of the job's own block are read, one tab deep:
//! nested blocks (coalitions, endpoints, the environment) have a `state` and a `path` of theirs.

use std::path::PathBuf;

use steady_model::process::Exit;

/// A job that is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// `running`, `not running`, `spawn scheduled`, `SIGTERMed`, `xpcproxy`, …
    pub state: String,
    pub pid: Option<u32>,
    /// The property list that it was loaded from; not there for a job that was submitted without one.
    pub path: Option<PathBuf>,
    pub program: Option<PathBuf>,
    /// How often it was started since it was loaded.
    pub runs: u64,
    /// `None` while it never ended.
    pub last_exit: Option<Exit>,
}

impl Printed {
    pub fn parse(text: &str) -> Self {
        let mut job = Self::default();
        let mut signal = None;
        for (key, value) in fields(text) {
            match key {
                // What a job's arguments or environment say comes later than these two, …
                "state" if job.state.is_empty() => value.clone_into(&mut job.state),
                "path" if job.path.is_none() => {
                    job.path = Some(value).filter(|p| p.starts_with('/')).map(Into::into);
                }
                "program" if job.program.is_none() => job.program = Some(value.into()),
                // … and earlier than these: the last one counts.
                "pid" => job.pid = value.parse().ok(),
                "runs" => job.runs = value.parse().unwrap_or_default(),
                "last exit code" => job.last_exit = first_number(value).map(Exit::Code),
                "last terminating signal" => signal = last_number(value),
                _ => {}
            }
        }
        // It stands in place of the exit code, or beside one of an earlier run.
        if let Some(signal) = signal {
            job.last_exit = Some(Exit::Signal(signal));
        }
        job
    }

    /// It was booted out, and its process has not ended yet: `SIGTERMed`, `SIGKILLed`.
    pub fn is_ending(&self) -> bool {
        self.state.starts_with("SIG")
    }
}

/// `key = value` one tab deep.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut within = false;
    text.lines().filter_map(move |line| {
        if within {
            within = line != "\t}";
            return None;
        }
        let field = line.strip_prefix('\t').filter(|rest| !rest.starts_with('\t'))?;
        let (key, value) = field.split_once(" = ")?;
        if value == "{" {
            within = true;
            return None;
        }
        Some((key, value))
    })
}

/// `78: EX_CONFIG`, `0`; nothing in `(never exited)`.
fn first_number(value: &str) -> Option<i32> {
    value.split(':').next()?.trim().parse().ok()
}

/// `Killed: 9`; older systems print `9` alone.
fn last_number(value: &str) -> Option<i32> {
    value.rsplit(':').next()?.trim().parse().ok()
}

/// Whether `print-disabled` lists a label as disabled. No line means that nobody ever changed it.
pub fn is_disabled(text: &str, label: &str) -> bool {
    text.lines().any(|line| {
        let Some((name, value)) = line.trim().split_once(" => ") else { return false };
        // Older systems say `true` for disabled.
        name.trim_matches('"') == label && matches!(value, "disabled" | "true")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = include_str!("printed/running.txt");
    const ENDED: &str = include_str!("printed/ended.txt");
    const KILLED: &str = include_str!("printed/killed.txt");

    #[test]
    fn a_running_job_is_read_from_its_own_block_only() {
        let job = Printed::parse(RUNNING);
        assert_eq!(
            job,
            Printed {
                state: "running".into(),
                pid: Some(48_213),
                path: Some("/Users/ada/Library/LaunchAgents/com.secondbrain.api.plist".into()),
                program: Some("/usr/bin/caffeinate".into()),
                runs: 3,
                last_exit: None,
            }
        );
    }

    #[test]
    fn a_job_that_could_not_be_run_tells_its_code_without_the_name() {
        let job = Printed::parse(ENDED);
        assert_eq!((job.pid, job.last_exit), (None, Some(Exit::Code(78))));
        assert_eq!((job.state.as_str(), job.runs), ("spawn scheduled", 41));
    }

    #[test]
    fn a_signal_outranks_the_code_of_an_earlier_run() {
        let job = Printed::parse(KILLED);
        assert_eq!((job.pid, job.last_exit), (None, Some(Exit::Signal(9))));
        assert_eq!(
            Printed::parse("x = {\n\tlast terminating signal = 15\n}").last_exit,
            Some(Exit::Signal(15))
        );
    }

    #[test]
    fn what_a_jobs_arguments_say_is_not_taken_for_its_pid() {
        let text = "gui/501/x = {\n\tstate = running\n\targuments = {\n\t\tsh\n  pid = 1\n\tpid = 1\n\t}\n\n\tpid = 77\n}\n";
        assert_eq!(Printed::parse(text).pid, Some(77));
    }

    #[test]
    fn a_disabled_label_is_told_from_others_in_both_ways_of_saying_so() {
        let text = "\tdisabled services = {\n\t\t\"com.a\" => disabled\n\t\t\"com.b\" => enabled\n\t\t\"com.c\" => true\n\
                    \t\t\"com.d\" => false\n\t}\n";
        let disabled: Vec<&str> = ["com.a", "com.b", "com.c", "com.d", "com"]
            .into_iter()
            .filter(|l| is_disabled(text, l))
            .collect();
        assert_eq!(disabled, ["com.a", "com.c"]);
    }
}
