//! One loaded job: its process, when it is started again, and what is said of it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Reply;
use crate::definition::{Definition, KeepAlive};

/// How often it looks whether its state directory is still there: a test that has gone leaves nothing running.
const LOOK: Duration = Duration::from_millis(500);

enum Event {
    Order(String, UnixStream),
    Ended(u32, ExitStatus),
}

struct Job {
    domain: String,
    file: PathBuf,
    definition: Definition,
    events: Sender<Event>,
    pid: Option<u32>,
    started: Option<Instant>,
    runs: u64,
    /// As `print` words it.
    last_end: Option<String>,
    start_at: Option<Instant>,
    kill_at: Option<Instant>,
    /// Booted out: gone when its process is.
    removing: bool,
    /// kickstart -k: up again at once.
    again: bool,
}

/// Runs until the job is booted out.
pub fn keep(domain: &str, file: &Path, socket: &Path, definition: Definition) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let (events, heard) = mpsc::channel();
    let orders = events.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_ok()
                && orders.send(Event::Order(line.trim().to_owned(), stream)).is_err()
            {
                return;
            }
        }
    });
    let mut job = Job {
        domain: domain.to_owned(),
        file: file.to_owned(),
        start_at: (definition.run_at_load || definition.keep_alive != KeepAlive::Never).then(Instant::now),
        definition,
        events,
        pid: None,
        started: None,
        runs: 0,
        last_end: None,
        kill_at: None,
        removing: false,
        again: false,
    };
    writeln!(io::stdout(), "loaded")?;
    job.run(&heard, socket);
    let _ = fs::remove_file(socket);
    Ok(())
}

impl Job {
    fn run(&mut self, heard: &Receiver<Event>, socket: &Path) {
        while !(self.removing && self.pid.is_none()) {
            let now = Instant::now();
            if self.start_at.is_some_and(|at| at <= now) {
                self.spawn();
            }
            if self.kill_at.is_some_and(|at| at <= now) {
                self.kill_at = None;
                self.signal(Signal::KILL);
            }
            let due = [self.start_at, self.kill_at].into_iter().flatten().min();
            let wait = due.map_or(LOOK, |at| at.saturating_duration_since(now).min(LOOK));
            match heard.recv_timeout(wait) {
                Ok(Event::Order(order, stream)) => self.obey(&order, stream),
                Ok(Event::Ended(pid, status)) => self.ended(pid, status),
                Err(RecvTimeoutError::Timeout) if !socket.exists() => {
                    self.removing = true;
                    self.start_at = None;
                    self.signal(Signal::KILL);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, order: &str, mut stream: UnixStream) {
        let words: Vec<&str> = order.split(' ').collect();
        let reply = match words.as_slice() {
            ["print"] => Reply::done(self.print()),
            ["kickstart", kill @ ..] => self.kickstart(!kill.is_empty()),
            ["kill", signal] => self.kill(signal),
            ["bootout"] if self.removing => {
                Reply::refused(36, "Boot-out failed: 36: Operation now in progress\n")
            }
            ["bootout"] => {
                self.removing = true;
                self.start_at = None;
                // To the process alone; the rest of its group ends with it.
                if let Some(pid) = self.pid.and_then(pid_of) {
                    let _ = kill_process(pid, Signal::TERM);
                }
                self.kill_at = self.definition.exit_timeout.map(|timeout| Instant::now() + timeout);
                Reply::done("")
            }
            _ => Reply::refused(64, "Unrecognized order.\n"),
        };
        let text = if reply.code == 0 { &reply.out } else { &reply.err };
        let _ = write!(stream, "{}\n{text}", reply.code);
    }

    fn kickstart(&mut self, kill: bool) -> Reply {
        if self.removing {
            return Reply::refused(37, "");
        }
        match self.pid {
            // Silent, like the real one.
            Some(_) if !kill => Reply::refused(37, ""),
            Some(pid) => {
                self.again = true;
                self.signal(Signal::KILL);
                Reply::done(format!("{pid}\n"))
            }
            None => {
                self.spawn();
                Reply::done(self.pid.map(|pid| format!("{pid}\n")).unwrap_or_default())
            }
        }
    }

    fn kill(&self, signal: &str) -> Reply {
        let number = signal.trim_start_matches("SIG");
        let named = match number {
            "KILL" | "9" => Signal::KILL,
            "INT" | "2" => Signal::INT,
            "HUP" | "1" => Signal::HUP,
            "QUIT" | "3" => Signal::QUIT,
            _ => Signal::TERM,
        };
        match self.pid.and_then(pid_of).map(|pid| kill_process(pid, named)) {
            Some(Ok(())) => Reply::done(""),
            _ => Reply::refused(3, "No process to signal.\n"),
        }
    }

    /// To the whole group.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.and_then(pid_of) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn spawn(&mut self) {
        self.start_at = None;
        self.runs += 1;
        self.started = Some(Instant::now());
        match self.command().and_then(|mut command| command.spawn()) {
            Ok(mut child) => {
                let pid = child.id();
                self.pid = Some(pid);
                let events = self.events.clone();
                thread::spawn(move || {
                    if let Ok(status) = child.wait() {
                        let _ = events.send(Event::Ended(pid, status));
                    }
                });
            }
            Err(_) => {
                self.last_end = Some("last exit code = 78: EX_CONFIG".to_owned());
                self.again_later(false);
            }
        }
    }

    fn command(&self) -> io::Result<Command> {
        let definition = &self.definition;
        let (name, arguments) = definition.arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(&definition.program);
        command.arg0(name).args(arguments).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        for name in ["HOME", "USER", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("XPC_SERVICE_NAME", &definition.label);
        command.envs(definition.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(definition.cwd.as_deref().unwrap_or(Path::new("/")));
        let output = |path: &Option<PathBuf>| match path {
            Some(path) => File::options()
                .append(true)
                .create(true)
                .open(path)
                .map_or_else(|_| Stdio::null(), Stdio::from),
            None => Stdio::null(),
        };
        command.stdin(Stdio::null()).stdout(output(&definition.out)).stderr(output(&definition.err));
        command.process_group(0);
        Ok(command)
    }

    fn ended(&mut self, pid: u32, status: ExitStatus) {
        if self.pid != Some(pid) {
            return;
        }
        if !self.definition.abandon_group {
            self.signal(Signal::KILL);
        }
        self.pid = None;
        self.last_end = Some(match status.signal() {
            Some(signal) => format!("last terminating signal = {}: {signal}", name_of(signal)),
            None => format!("last exit code = {}", status.code().unwrap_or_default()),
        });
        self.again_later(status.success());
    }

    fn again_later(&mut self, success: bool) {
        let wanted = match self.definition.keep_alive {
            KeepAlive::Always => true,
            KeepAlive::Never => false,
            KeepAlive::After { success: after } => after == success,
        };
        let throttled = self.started.map_or_else(Instant::now, |at| at + self.definition.throttle);
        self.start_at = match (self.removing, self.again) {
            (true, _) => None,
            (_, true) => Some(Instant::now()),
            _ => wanted.then(|| throttled.max(Instant::now())),
        };
        self.again = false;
    }

    fn print(&self) -> String {
        let definition = &self.definition;
        let state = match (self.removing, self.pid, self.start_at) {
            (true, ..) => "SIGTERMed",
            (_, Some(_), _) => "running",
            (_, None, Some(_)) => "spawn scheduled",
            (_, None, None) => "not running",
        };
        let lines = |words: Vec<String>| -> String { words.concat() };
        let arguments = lines(definition.arguments.iter().map(|word| format!("\t\t{word}\n")).collect());
        let environment = definition.environment.iter();
        let environment =
            lines(environment.map(|(name, value)| format!("\t\t{name} => {value}\n")).collect());
        let pid = self.pid.map(|pid| format!("\tpid = {pid}\n")).unwrap_or_default();
        let end = self.last_end.as_deref().unwrap_or("last exit code = (never exited)");
        format!(
            "{domain}/{label} = {{\n\tactive count = {count}\n\tpath = {path}\n\ttype = LaunchAgent\n\tstate = {state}\n\n\
             \tprogram = {program}\n\targuments = {{\n{arguments}\t}}\n\n\
             \tdefault environment = {{\n\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin\n\t}}\n\n\
             \tenvironment = {{\n{environment}\t\tXPC_SERVICE_NAME => {label}\n\t}}\n\n\
             \tdomain = {domain} [100004]\n\tasid = 100004\n\tminimum runtime = {throttle}\n\truns = {runs}\n{pid}\
             \timmediate reason = speculative\n\t{end}\n\n\
             \tresource coalition = {{\n\t\tID = 1201\n\t\ttype = resource\n\t\tstate = active\n\t\tactive count = 1\n\
             \t\tname = {label}\n\t}}\n\n\tspawn type = daemon (3)\n\tproperties = runatload | inferred program\n}}\n",
            domain = self.domain,
            label = definition.label,
            count = u8::from(self.pid.is_some()),
            path = self.file.display(),
            program = definition.program.display(),
            throttle = definition.throttle.as_secs(),
            runs = self.runs,
        )
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        1 => "Hangup",
        2 => "Interrupt",
        6 => "Abort trap",
        9 => "Killed",
        11 => "Segmentation fault",
        15 => "Terminated",
        _ => "Unknown signal",
    }
}
