//! A home with a sink, a free port, and services in it; nothing of it outlives the test.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use steady_logs::SinkClient;
use steady_model::config::{Readiness, Service};
use steady_model::process::ProcessId;
use steady_model::service::{Lifecycle, State};
use steady_supervise::{Crash, Deps, ServiceEvent, ServiceHandle, supervise};

pub const FIXTURE: &str = env!("CARGO_BIN_EXE_steady-supervise-fixture");
pub const SOON: Duration = Duration::from_secs(10);

pub struct World {
    dir: tempfile::TempDir,
    pub port: u16,
    pub sink: SinkClient,
    pub seen: Arc<Mutex<Vec<ServiceEvent>>>,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sink = SinkClient::new(FIXTURE, dir.path());
        Self { dir, port: free_port(), sink, seen: Arc::default() }
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// A service that serves on this world's port when `command` does.
    pub fn service(&self, command: &[&str]) -> Service {
        let command = command.iter().map(ToString::to_string).collect();
        Service {
            port: Some(self.port),
            stop_grace: Duration::from_secs(5),
            ready: Readiness::Http { url: format!("http://127.0.0.1:{}/health", self.port) },
            ready_timeout: SOON,
            ..Service::child("brain", command, self.home())
        }
    }

    pub fn server(&self) -> Service {
        self.service(&[FIXTURE, "serve", &self.port.to_string()])
    }

    /// A script that listens nowhere and is ready when it runs.
    pub fn quiet(&self, script: &str) -> Service {
        Service { port: None, ready: Readiness::Started, ..self.script(script) }
    }

    /// A service that is a shell script; `$0` is the fixture and `$1` the port.
    pub fn script(&self, script: &str) -> Service {
        self.service(&["sh", "-c", script, FIXTURE, &self.port.to_string()])
    }

    pub fn supervise(&self, spec: Service) -> ServiceHandle {
        let (events, mut heard) = tokio::sync::mpsc::channel(16);
        let seen = self.seen.clone();
        tokio::spawn(async move {
            while let Some(event) = heard.recv().await {
                seen.lock().unwrap().push(event);
            }
        });
        let deps = Deps::new(self.home(), self.sink.clone());
        supervise(spec, deps, events)
    }

    /// An agent in a process of its own, with one service that has this command, port and grace.
    pub fn host(&self, spec: &Service) -> Host {
        let mut command = Command::new(FIXTURE);
        command.arg("host").arg(self.home()).env("GRACE_MS", spec.stop_grace.as_millis().to_string());
        if let Some(port) = spec.port {
            command.arg(port.to_string());
        }
        let child = command
            .arg("--")
            .args(&spec.command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Host(child)
    }

    pub fn journal(&self) -> PathBuf {
        self.home().join("journal/brain.json")
    }

    pub fn journalled(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(self.journal()).ok()?).ok()
    }

    pub fn journalled_pid(&self) -> Option<u32> {
        u32::try_from(self.journalled()?["process"]["pid"].as_u64()?).ok()
    }

    pub fn write_journal(&self, process: &ProcessId, boot_id: &str) {
        std::fs::create_dir_all(self.home().join("journal")).unwrap();
        let entry = serde_json::json!({
            "version": 1, "service": "brain", "boot_id": boot_id,
            "process": { "pid": process.pid, "started": process.started },
            "run": 7, "exe": "/bin/sleep", "port": self.port, "spawned": "2026-11-22T09:15:30Z",
        });
        std::fs::write(self.journal(), entry.to_string()).unwrap();
    }

    pub fn log(&self) -> Vec<String> {
        steady_logs::tail(&self.home().join("logs/brain"), 100_000).unwrap()
    }

    /// The sink that runs, once one does.
    pub fn sink_pid(&self) -> u32 {
        let note = || -> Option<u32> {
            let note = std::fs::read(self.home().join("sink.lock")).ok()?;
            let note: serde_json::Value = serde_json::from_slice(&note).ok()?;
            u32::try_from(note["pid"].as_u64()?).ok()
        };
        let mut found = None;
        wait_until("a sink", || {
            found = note();
            found.is_some()
        });
        found.unwrap()
    }

    /// Who answers on the port; the pid in the answer.
    pub fn answer(&self) -> Option<u32> {
        answer(self.port)
    }

    /// Every lifecycle that was told so far.
    pub fn told(&self) -> Vec<Lifecycle> {
        let seen = self.seen.lock().unwrap().clone();
        let lifecycle = |event| match event {
            ServiceEvent::Changed { lifecycle, .. } => Some(lifecycle),
            _ => None,
        };
        seen.into_iter().filter_map(lifecycle).collect()
    }

    pub fn crashes(&self) -> Vec<Crash> {
        let seen = self.seen.lock().unwrap().clone();
        let crash = |event| match event {
            ServiceEvent::Crashed { crash, .. } => Some(*crash),
            _ => None,
        };
        seen.into_iter().filter_map(crash).collect()
    }

    /// What a person was told beside the state; `None` took the one before back.
    pub fn warnings(&self) -> Vec<Option<String>> {
        let seen = self.seen.lock().unwrap().clone();
        let warning = |event| match event {
            ServiceEvent::Warning { warning, .. } => Some(warning),
            _ => None,
        };
        seen.into_iter().filter_map(warning).collect()
    }

    /// All processes that carry this world's mark, the service's among them.
    pub fn marked(&self) -> Vec<u32> {
        self.processes_with("environ", &format!("STEADY_HOME={}", self.home().display()))
    }

    /// The sinks and hosts of this world.
    fn naming_home(&self) -> Vec<u32> {
        self.processes_with("cmdline", &self.home().display().to_string())
    }

    #[expect(clippy::unused_self, reason = "reads as a question to the world")]
    fn processes_with(&self, file: &str, word: &str) -> Vec<u32> {
        let pids = std::fs::read_dir("/proc").unwrap();
        pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let words = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                words.split(|b| *b == 0).any(|found| found == word.as_bytes())
            })
            .filter(|pid| is_alive(*pid))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for pid in self.marked() {
            let _ = kill_process(pid_of(pid), Signal::KILL);
        }
        let _ = self.sink.quit();
        // What a killed host was just starting.
        for pid in self.naming_home() {
            let _ = kill_process(pid_of(pid), Signal::KILL);
        }
    }
}

pub struct Host(Child);

impl Host {
    /// Reads what it says until a state of this name.
    pub fn wait_for(&mut self, state: &str) -> String {
        let mut lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        lines.find_map(|line| line.ok().filter(|line| line.starts_with(state))).expect("the host lives")
    }

    /// `stop`, `start` or `restart`.
    pub fn order(&mut self, order: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that has nothing to do with Steady; it leads a group.
pub struct Stranger(pub Child);

impl Stranger {
    pub fn new(command: &[&str]) -> Self {
        let child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn id(&self) -> ProcessId {
        let pid = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        ProcessId { pid, started: fields.split(' ').nth(19).unwrap().parse().unwrap() }
    }

    pub fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = kill_process_group(pid_of(self.0.id()), Signal::KILL);
        let _ = self.0.wait();
    }
}

pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

pub fn answer(port: u16) -> Option<u32> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines().last()?.parse().ok()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Not even a zombie that nobody reaped counts.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    test_kill_process(pid_of(pid)).is_ok() && state.is_some_and(|state| state != 'Z')
}

pub fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

pub fn kill(pid: u32) {
    kill_process(pid_of(pid), Signal::KILL).unwrap();
}

pub fn signal_group(pid: u32, signal: Signal) {
    kill_process_group(pid_of(pid), signal).unwrap();
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub async fn wait_for(
    service: &ServiceHandle,
    what: &str,
    mut holds: impl FnMut(&State) -> bool,
) -> Lifecycle {
    let mut changes = service.changes();
    let waited = tokio::time::timeout(SOON, changes.wait_for(|life| holds(&life.state))).await;
    let Ok(life) = waited else {
        panic!("not within {SOON:?}: {what}; it is {:?}", service.lifecycle().state);
    };
    life.unwrap().clone()
}

pub async fn ready(service: &ServiceHandle) -> u32 {
    let life = wait_for(service, "ready", |state| matches!(state, State::Ready { .. })).await;
    life.process().unwrap().pid
}

pub async fn ready_as_another_than(service: &ServiceHandle, old: u32) -> u32 {
    let another = |state: &State| matches!(state, State::Ready { process, .. } if process.pid != old);
    let life = wait_for(service, "ready as another process", another).await;
    life.process().unwrap().pid
}
