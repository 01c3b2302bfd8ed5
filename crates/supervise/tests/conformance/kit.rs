//! A world with one service under one manager.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steady_logs::{Attachment, make_fifo};
use steady_model::config::{Roots, Service, parse};
use steady_model::process::ProcessId;
use steady_supervise::manager::launchd::{Launchd, Session, Tool};
use steady_supervise::manager::systemd::{Systemd, UserManager};
use steady_supervise::manager::{Child, Manager, Through};

use crate::common::{FIXTURE, SOON, World, is_alive, wait_until};

const EXEC: &str = env!("CARGO_BIN_EXE_steady-exec-stand-in");
const LAUNCHCTL: &str = env!("CARGO_BIN_EXE_steady-launchctl-stand-in");
/// Longer than launchd's throttle is here, and than systemd's pause.
pub const A_WHILE: Duration = Duration::from_millis(2500);
/// Set where systemd must be there.
const REQUIRED: &str = "STEADY_SYSTEMD_REQUIRED";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Child,
    /// With a stand-in for launchctl and launchd.
    Launchd,
    /// With the real `systemctl --user`, where it answers.
    Systemd,
}

pub struct Kit {
    pub kind: Kind,
    pub world: World,
    pub spec: Service,
    unit: Option<String>,
}

impl Kit {
    /// A service that is a shell script; `$0` is the fixture and `$1` the port, which `PORT` stands for in `more`.
    /// `None` where this manager cannot be.
    pub fn new(kind: Kind, script: &str, more: &str) -> Option<Self> {
        if kind == Kind::Systemd && !systemd_answers() {
            return None;
        }
        let world = World::new();
        let (home, port) = (world.home(), world.port);
        std::fs::create_dir_all(home.join("state")).unwrap();
        let more = more.replace("PORT", &port.to_string());
        let text = format!(
            "version = 1\n[service.brain]\ncommand = [\"sh\", \"-c\", {script:?}, {FIXTURE:?}, \"{port}\"]\n\
             cwd = \"{}\"\nport = {port}\n{more}\n",
            home.display()
        );
        std::fs::write(home.join("steady.toml"), &text).unwrap();
        let config = parse(&text, &home.join("steady.toml"), Roots { base: home, user_home: None }).unwrap();
        let spec = config.services[0].clone();
        let kit = Self { kind, world, spec, unit: None };
        if kind == Kind::Child {
            kit.open_output();
        }
        Some(kit)
    }

    pub fn server(kind: Kind) -> Option<Self> {
        Self::new(kind, "exec \"$0\" serve \"$1\"", "")
    }

    /// The same, under a definition of the user's own.
    pub fn with_unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.to_owned());
        self
    }

    pub fn manager(&self) -> Arc<dyn Manager> {
        match self.kind {
            Kind::Child => Arc::new(Child::new(&self.spec, self.world.home())),
            Kind::Launchd => Arc::new(self.launchd()),
            Kind::Systemd => Arc::new(self.systemd()),
        }
    }

    pub fn launchd(&self) -> Launchd {
        Launchd::new(&self.spec, self.unit.as_deref(), self.through(), self.session())
    }

    pub fn systemd(&self) -> Systemd {
        Systemd::new(&self.spec, self.unit.as_deref(), self.through(), UserManager::system())
    }

    fn through(&self) -> Through {
        Through { program: EXEC.into(), home: self.world.home().to_owned(), service: "brain".to_owned() }
    }

    pub fn session(&self) -> Session {
        let environment =
            [("STAND_IN_STATE".into(), self.state().into()), ("STAND_IN_SECOND_MS".into(), "100".into())];
        let launchctl = Tool {
            program: LAUNCHCTL.into(),
            environment: environment.into(),
            limit: Duration::from_secs(20),
        };
        Session { launchctl, uid: uid(), folders: vec![self.world.home().join("LaunchAgents")] }
    }

    pub fn state(&self) -> PathBuf {
        self.world.home().join("state")
    }

    /// An agent that has this service, in a process of its own; says each state.
    pub fn agent(&self) -> Agent {
        let mut command = Command::new(EXEC);
        command.args(["agent", "--home"]).arg(self.world.home());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        Agent(child)
    }

    /// By the tool itself, as a person would.
    pub fn launchctl(&self, args: &[&str]) -> (i32, String) {
        let tool = self.session().launchctl;
        let out = Command::new(tool.program).args(args).envs(tool.environment).output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// What the actor does before it starts a child.
    fn open_output(&self) {
        let fifo = self.world.home().join("fifo/brain");
        std::fs::create_dir_all(fifo.parent().unwrap()).unwrap();
        make_fifo(&fifo).unwrap();
        let dir = self.world.home().join("logs/brain");
        let rotation = self.spec.log;
        self.world.sink.attach(&Attachment { service: "brain".into(), fifo, dir, rotation }).unwrap();
    }

    /// Those of its processes that are servers on its port.
    pub fn copies(&self) -> Vec<u32> {
        let mut pids = self.world.marked();
        pids.retain(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|b| *b == 0).any(|word| word == b"serve")
        });
        pids
    }

    pub fn wait_until_it_answers(&self) -> u32 {
        wait_until("an answer", || self.world.answer().is_some());
        self.world.answer().unwrap()
    }

    pub fn wait_until_nothing_is_left(&self) {
        wait_until("nothing of it lives", || self.world.marked().is_empty());
        assert_eq!(self.world.answer(), None, "nobody answers on its port");
    }
}

pub struct Agent(std::process::Child);

impl Agent {
    /// Reads what it says until a line that begins so.
    pub fn wait_for(&mut self, state: &str) {
        let mut lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let said = lines.find_map(|line| line.ok().filter(|line| line.starts_with(state)));
        assert!(said.is_some(), "the agent ended before it said {state}");
    }

    pub fn order(&mut self, order: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        match self.kind {
            Kind::Launchd => drop(self.launchd().remove()),
            Kind::Systemd if self.unit.is_none() => drop(self.systemd().remove()),
            Kind::Systemd | Kind::Child => {}
        }
    }
}

pub fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

pub fn wait_until_gone(process: &ProcessId) {
    wait_until("the process is gone", || !is_alive(process.pid));
}

/// Looks at it all the time, for as long as a manager might take to undo it.
pub fn stays(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        assert!(holds(), "after {:?}, not any more: {what}", began.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn systemd_answers() -> bool {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["--user", "show", "--property=Version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let answers = systemctl.status().is_ok_and(|status| status.success());
    if !answers {
        assert!(
            std::env::var_os(REQUIRED).is_none(),
            "{REQUIRED} is set, and systemctl --user does not answer"
        );
        #[expect(clippy::print_stderr, reason = "nobody is to believe that it was tested")]
        {
            eprintln!(
                "NOT TESTED: no `systemctl --user` answers here; scripts/systemd-container runs this with a real one"
            );
        }
    }
    answers
}

const _: () = assert!(SOON.as_millis() > A_WHILE.as_millis());
