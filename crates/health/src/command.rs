//! Command: a program that follows the conventions of monitoring plugins.
//!
//! Source: the monitoring-plugins development guidelines, "Plugin Return Codes" and "Plugin Output"
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>): 0 ok, 1 warning, 2 critical, 3 unknown; one line of
//! text, and numbers after a `|`.

use std::fmt::Display;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use steady_launch::{Environment, find_program};
use steady_model::check::Status;
use steady_model::config::Env;
use steady_model::process::Exit;
use steady_model::words;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::perfdata;
use crate::probe::{Probe, Seen, one_line};
use crate::processes::OurGroup;

/// Of each of its two outputs.
const KEPT_BYTES: usize = 64 << 10;
const SHOWN: usize = 200;
/// What left the group with the output still open is not waited for much longer.
const LAST_WORDS: Duration = Duration::from_millis(200);
const WATCH_STACK: usize = 64 << 10;

pub struct CommandProbe {
    command: Vec<String>,
    cwd: PathBuf,
    env: Env,
}

impl CommandProbe {
    pub fn new(command: Vec<String>, cwd: PathBuf, env: Env) -> Self {
        Self { command, cwd, env }
    }

    fn name(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    fn start(&self) -> Result<Running, Seen> {
        let cannot = |e: &dyn Display| {
            Seen::new(Status::Unknown, format!("{} cannot be started: {e}", self.name()))
                .so("Correct its command in steady.toml, or install the program")
        };
        let (name, args) = self.command.split_first().ok_or_else(|| cannot(&"the command is empty"))?;
        let environment = steady_launch::environment(&self.env, []).map_err(|e| cannot(&e))?;
        let program = find_program(name, &self.cwd, &environment)
            .ok_or_else(|| cannot(&"it is in no directory of PATH"))?;
        self.spawn(&program, args, &environment).map_err(|e| cannot(&format!("{}: {e}", program.display())))
    }

    fn spawn(&self, program: &PathBuf, args: &[String], environment: &Environment) -> io::Result<Running> {
        let (out, out_end) = io::pipe()?;
        let (err, err_end) = io::pipe()?;
        let output = [out, err].map(|end| pipe::Receiver::from_owned_fd(end.into()));
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.cwd)
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::null())
            .stdout(out_end)
            .stderr(err_end)
            .process_group(0);
        let child = command.spawn()?;
        // Holds the other ends of the pipes.
        drop(command);
        let [out, err] = output;
        let (tell, exited) = oneshot::channel();
        let group = Pid::from_child(&child);
        let ours = OurGroup::new(child.id());
        let running = Running { child, group, exited, ended: None, _ours: ours, out: out?, err: err? };
        thread::Builder::new()
            .name("check-exit".to_owned())
            .stack_size(WATCH_STACK)
            .spawn(move || watch(group, tell))?;
        Ok(running)
    }
}

impl Probe for CommandProbe {
    async fn look(&mut self) -> Seen {
        match self.start() {
            Ok(running) => match running.end().await {
                Ok(ended) => ended.judge(self.name()),
                Err(e) => Seen::new(Status::Unknown, format!("{}: its end cannot be seen: {e}", self.name())),
            },
            Err(seen) => seen,
        }
    }

    /// A failure, as plugins are asked to tell their own timeouts: what is checked may be what hangs.
    fn overdue(&self, timeout: Duration) -> Seen {
        let within = words::span(timeout);
        Seen::new(Status::Fail, format!("{} did not end within {within} and was killed", self.name()))
    }
}

/// Tells the end and leaves the process for its owner to reap; reaps it when the owner has gone.
fn watch(pid: Pid, tell: oneshot::Sender<()>) {
    let wait = |options| while waitid(WaitId::Pid(pid), options).is_err_and(|e| e == Errno::INTR) {};
    wait(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    if tell.send(()).is_err() {
        wait(WaitIdOptions::EXITED);
    }
}

/// One run. Its leader is reaped last, so that the group's number is nobody else's when it is killed; and killed it
/// is, however the run ends.
struct Running {
    child: Child,
    group: Pid,
    exited: oneshot::Receiver<()>,
    ended: Option<ExitStatus>,
    _ours: OurGroup,
    out: pipe::Receiver,
    err: pipe::Receiver,
}

impl Running {
    async fn end(mut self) -> io::Result<Ended> {
        let (mut out, mut err) = (Kept::default(), Kept::default());
        let status = {
            let read = async { tokio::join!(out.read(&mut self.out), err.read(&mut self.err)) };
            tokio::pin!(read);
            let is_read = tokio::select! {
                _ = &mut self.exited => false,
                _ = &mut read => true,
            };
            if is_read {
                let _ = (&mut self.exited).await;
            }
            let _ = kill_process_group(self.group, Signal::KILL);
            let status = self.child.wait()?;
            self.ended = Some(status);
            if !is_read {
                let _ = timeout(LAST_WORDS, read).await;
            }
            status
        };
        Ok(Ended { status, out: out.0, err: err.0 })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // From here on the thread reaps; what it told before has ended, and is reaped here.
        self.exited.close();
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.try_wait();
    }
}

/// The begin of an output.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    /// To its end, so that the writer is never held up.
    async fn read(&mut self, output: &mut pipe::Receiver) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = output.read(&mut buffer).await {
            let room = KEPT_BYTES.saturating_sub(self.0.len());
            self.0.extend_from_slice(buffer.get(..n.min(room)).unwrap_or_default());
        }
    }
}

struct Ended {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Ended {
    fn judge(&self, name: &str) -> Seen {
        let out = String::from_utf8_lossy(&self.out);
        let (line, numbers) = split(&out);
        let err = String::from_utf8_lossy(&self.err);
        let said = if line.is_empty() { first_line(&err) } else { line };
        let exit = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unobserved,
        };
        let status = match exit {
            Exit::Code(0) => Status::Pass,
            Exit::Code(1) => Status::Warn,
            Exit::Code(2) => Status::Fail,
            _ => Status::Unknown,
        };
        let is_convention = matches!(exit, Exit::Code(0..=3));
        let evidence = match (is_convention, said.is_empty()) {
            (true, false) => one_line(said, SHOWN),
            (_, true) => format!("{name} ended with {} and said nothing", words::exit(exit)),
            (false, false) => format!("{name} ended with {}: {}", words::exit(exit), one_line(said, SHOWN)),
        };
        let values = perfdata::parse(&numbers);
        let measure = values.first().map(perfdata::Number::measure);
        let samples = values.into_iter().map(perfdata::Number::sample).collect();
        Seen { measure, samples, ..Seen::new(status, evidence) }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The first line without its numbers; and all numbers: of the first line, and of the rest after its own `|`.
fn split(out: &str) -> (&str, String) {
    let (first, rest) = out.trim_start().split_once('\n').unwrap_or((out.trim(), ""));
    let (line, numbers) = first.split_once('|').unwrap_or((first, ""));
    let more = rest.split_once('|').map_or("", |(_, more)| more);
    (line.trim(), format!("{numbers} {more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_the_first_line_and_from_what_follows_a_bar_later() {
        let out = "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n\
                   /boot 68 MB (69%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414\n";
        let (line, numbers) = split(out);
        assert_eq!(line, "DISK OK - free space: / 3326 MB (56%);");
        let labels: Vec<_> = perfdata::parse(&numbers).into_iter().map(|value| value.label).collect();
        assert_eq!(labels, ["/", "/boot", "/home"]);
        assert_eq!(split(""), ("", " ".to_owned()));
    }
}
