//! What `systemctl show` says of a unit.

use steady_model::process::Exit;

/// The properties that are asked for.
pub const PROPERTIES: &str = "MainPID,ActiveState,SubState,Result,ExecMainStatus,ExecMainCode,LoadState,UnitFileState,\
                              NRestarts,NeedDaemonReload,Job";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    pub main_pid: Option<u32>,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, …
    pub active: String,
    /// `running`, `dead`, `auto-restart`, `stop-sigterm`, …
    pub sub: String,
    /// `success`, `exit-code`, `signal`, `start-limit-hit`, …
    pub result: String,
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `enabled`, `disabled`, `static`, `transient`, `masked`, empty, …
    pub file_state: String,
    pub restarts: u64,
    pub needs_reload: bool,
    /// An order was taken and is not carried out yet.
    pub has_order: bool,
    /// `None` while it never ended since it was started.
    pub last_exit: Option<Exit>,
}

impl Shown {
    pub fn parse(text: &str) -> Self {
        let mut shown = Self::default();
        let (mut code, mut status) = (0, 0);
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "MainPID" => shown.main_pid = value.parse().ok().filter(|pid| *pid != 0),
                "ActiveState" => value.clone_into(&mut shown.active),
                "SubState" => value.clone_into(&mut shown.sub),
                "Result" => value.clone_into(&mut shown.result),
                "LoadState" => value.clone_into(&mut shown.load),
                "UnitFileState" => value.clone_into(&mut shown.file_state),
                "NRestarts" => shown.restarts = value.parse().unwrap_or_default(),
                "Job" => shown.has_order = !matches!(value, "" | "0"),
                "NeedDaemonReload" => shown.needs_reload = value == "yes",
                "ExecMainCode" => code = value.parse().unwrap_or_default(),
                "ExecMainStatus" => status = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        // As in siginfo: 1 exited, 2 killed, 3 dumped; 0 while it runs.
        shown.last_exit = match code {
            1 => Some(Exit::Code(status)),
            2 | 3 => Some(Exit::Signal(status)),
            _ => None,
        };
        shown
    }

    /// In words, for an error.
    pub fn how_it_ended(&self) -> String {
        match self.last_exit {
            // systemd's own codes for what it could not do before the program.
            Some(Exit::Code(200)) => "its working directory cannot be entered".to_owned(),
            Some(Exit::Code(203)) => "its program cannot be run".to_owned(),
            Some(Exit::Code(code)) => format!("exit code {code}"),
            Some(Exit::Signal(signal)) => format!("signal {signal}"),
            Some(Exit::Unobserved) | None => format!("result {}", self.result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_unit_has_a_process_and_no_end() {
        let shown = Shown::parse(
            "Result=success\nNRestarts=2\nExecMainCode=0\nExecMainStatus=0\nMainPID=86\nLoadState=loaded\n\
             ActiveState=active\nSubState=running\nUnitFileState=transient\nNeedDaemonReload=no\n",
        );
        assert_eq!((shown.main_pid, shown.last_exit, shown.restarts), (Some(86), None, 2));
        assert_eq!((shown.active.as_str(), shown.needs_reload, shown.has_order), ("active", false, false));
        assert!(Shown::parse("MainPID=86\nJob=4711\n").has_order);
    }

    #[test]
    fn a_dead_one_tells_its_code_or_its_signal_and_pid_0_is_none() {
        let of = |code, status| {
            Shown::parse(&format!("MainPID=0\nExecMainCode={code}\nExecMainStatus={status}\n"))
        };
        assert_eq!(of(1, 7).last_exit, Some(Exit::Code(7)));
        assert_eq!(of(2, 9).last_exit, Some(Exit::Signal(9)));
        assert_eq!(of(3, 11).last_exit, Some(Exit::Signal(11)));
        assert_eq!(of(1, 7).main_pid, None);
        assert_eq!(of(1, 203).how_it_ended(), "its program cannot be run");
    }
}
