//! A job's process group, from its start until it is empty.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use command_fds::CommandFdExt;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use steady_disk::{FileLock, LockError};
use steady_launch::{Redactor, find_program};
use steady_model::config::Job;
use steady_model::job::Rules;
use steady_model::process::Exit;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::clock;
use crate::output::Output;

/// Tells a job's processes that they are one, and which.
const JOB: &str = "STEADY_JOB";
/// And in which run: by this a later agent knows them.
pub const RUN: &str = "STEADY_RUN";
/// From TERM to KILL.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long the output may stay open after KILL: then a process outside the group holds it.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("its command is empty; give it a program")]
    Empty,
    #[error("the program {program} is neither in PATH nor beside Steady; install it or give its full path")]
    NotFound { program: String },
    #[error("cannot start {} in {}: {source}", program.display(), cwd.display())]
    Exec { program: PathBuf, cwd: PathBuf, source: io::Error },
    #[error(transparent)]
    Environment(#[from] steady_launch::EnvError),
    #[error(transparent)]
    NoLock(#[from] LockError),
    #[error("cannot prepare its output or follow its exit: {0}")]
    Io(#[from] io::Error),
}

/// Why a process is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    ByItself,
    TimedOut,
    Stopped,
}

pub struct Ended {
    pub ending: Ending,
    pub exit: Option<Exit>,
    pub output: Output,
}

/// A running job. Its leader is reaped last, so its group's number cannot be given to somebody else while it is
/// still signalled.
pub struct Process {
    child: Child,
    group: Pid,
    output: pipe::Receiver,
    redactor: Redactor,
    rules: Rules,
    exited: oneshot::Receiver<()>,
}

impl Process {
    /// Starts the job in its own process group. Must be called within a tokio runtime.
    ///
    /// The job inherits the lock's descriptor: when the agent dies, the lock lives on with the job, and the next
    /// agent starts no second one. What the job leaves behind outside its group holds the lock, too.
    pub fn spawn(job: &Job, command: &[String], lock: &FileLock, run: &str) -> Result<Self, SpawnError> {
        let (name, args) = command.split_first().ok_or(SpawnError::Empty)?;
        let ours = [(JOB.into(), (&job.name).into()), (RUN.into(), run.into())];
        let environment = steady_launch::environment(&job.env, ours)?;
        let program = find_program(name, &job.cwd, &environment)
            .ok_or_else(|| SpawnError::NotFound { program: name.clone() })?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&program);
        command
            .args(args)
            .current_dir(&job.cwd)
            .env_clear()
            .envs(environment.iter())
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            // Made inheritable in the child only: a service that starts at this moment must not get it.
            .preserved_fds(vec![lock.as_fd().try_clone_to_owned()?]);
        let output = pipe::Receiver::from_owned_fd(reader.into())?;
        let mut child =
            command.spawn().map_err(|source| SpawnError::Exec { program, cwd: job.cwd.clone(), source })?;
        let group = Pid::from_child(&child);
        match tell_exit(group) {
            Ok(exited) => Ok(Self {
                child,
                group,
                output,
                redactor: environment.redactor(),
                rules: Rules::of(job),
                exited,
            }),
            Err(e) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait();
                Err(e.into())
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Follows the job until its group is empty. `timeout` and `stop` end it: TERM to the group, and KILL after
    /// the grace. What it left running in its group after its own exit ends in the same way, but with a grace
    /// only as long as it holds the output open.
    pub async fn follow(mut self, timeout: Duration, mut stop: oneshot::Receiver<()>) -> Ended {
        let mut output = Output::new(std::mem::take(&mut self.rules), std::mem::take(&mut self.redactor));
        let mut buffer = vec![0; 16 << 10];
        let (mut ending, mut gone, mut closed) = (None, false, false);
        let mut phase = Phase::Running;
        let mut at = clock::deadline(timeout);
        while !(gone && closed) {
            let next = tokio::select! {
                read = self.output.read(&mut buffer), if !closed => {
                    match read {
                        Ok(0) | Err(_) => closed = true,
                        Ok(n) => output.feed(buffer.get(..n).unwrap_or_default()),
                    }
                    continue;
                }
                _ = &mut self.exited, if !gone => {
                    gone = true;
                    if phase != Phase::Running { continue }
                    ending.get_or_insert(Ending::ByItself);
                    Phase::Ending
                }
                _ = &mut stop, if phase == Phase::Running => {
                    ending.get_or_insert(Ending::Stopped);
                    Phase::Ending
                }
                () = tokio::time::sleep_until(at) => match phase {
                    Phase::Running => {
                        ending.get_or_insert(Ending::TimedOut);
                        Phase::Ending
                    }
                    Phase::Killed if gone => break,
                    Phase::Ending | Phase::Killed => Phase::Killed,
                },
            };
            phase = next;
            at = self.enter(phase);
        }
        // The leader is still unreaped, so the number is still this group's.
        self.signal(Signal::KILL);
        output.finish();
        let exit = self.child.wait().ok().map(exit);
        Ended { ending: ending.unwrap_or(Ending::ByItself), exit, output }
    }

    /// Signals the group for a phase and says when the phase is over.
    fn enter(&self, phase: Phase) -> tokio::time::Instant {
        match phase {
            Phase::Running => clock::deadline(Duration::MAX),
            Phase::Ending => {
                self.signal(Signal::TERM);
                clock::deadline(GRACE)
            }
            Phase::Killed => {
                self.signal(Signal::KILL);
                clock::deadline(LAST_OUTPUT)
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // An error says that nobody is left to signal.
        let _ = kill_process_group(self.group, signal);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// TERM was sent.
    Ending,
    Killed,
}

/// Tells when the process has exited, and leaves it unreaped.
fn tell_exit(pid: Pid) -> io::Result<oneshot::Receiver<()>> {
    let (tell, exited) = oneshot::channel();
    thread::Builder::new().name("job-exit".to_owned()).spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), options).is_err_and(|e| e == Errno::INTR) {}
        let _ = tell.send(());
    })?;
    Ok(exited)
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unobserved,
    }
}
