use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use steady_model::process::SMALL_HEAP;

use crate::SinkError;
use crate::protocol::{Attachment, Reply, Request, ServiceStats, SinkEvent, socket_path};

/// How long the sink may take to answer one request.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a new sink may take until it answers.
const START: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Two sinks that start at once: the one that lost returns before the other listens. And a sink that was
/// killed is silent before the kernel has let go of its lock. Together some 4 s.
const TRIES: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Speaks to the sink of one home, and starts it when it is not there. Blocking; cheap to clone.
#[derive(Debug, Clone)]
pub struct SinkClient {
    program: PathBuf,
    home: PathBuf,
    started: Arc<Mutex<Started>>,
}

/// Shared by the clones of a client, so that none starts a sink after another one ended it.
#[derive(Debug, Default)]
struct Started {
    /// The sink that this process started: nobody else can reap it.
    child: Option<Child>,
    closed: bool,
}

impl SinkClient {
    /// `program` is the `steady` binary: it is run as `program sink --home HOME`.
    pub fn new(program: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), home: home.into(), started: Arc::default() }
    }

    /// Where it speaks to the sink. A connection that is held open ends when the sink does.
    pub fn socket(&self) -> PathBuf {
        socket_path(&self.home)
    }

    /// Returns once a sink answers; starts one, in its own process group, if none does.
    pub fn ensure_running(&self) -> Result<(), SinkError> {
        let mut failure = None;
        for round in 0..TRIES {
            match self.ask(&Request::Ping {}) {
                Ok(_) => return Ok(()),
                Err(e) => failure = Some(e),
            }
            if !self.start()? {
                pause(FIRST_PAUSE.saturating_mul(1 << round));
            }
        }
        match failure {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    /// Makes the sink drain a service's FIFO. Starts the sink if it must. Attaching again only sets the limits.
    pub fn attach(&self, attachment: &Attachment) -> Result<(), SinkError> {
        let request = Request::Attach(attachment.clone());
        match self.ask(&request) {
            Err(SinkError::NoAnswer { .. }) => {
                self.ensure_running()?;
                self.ask(&request).map(|_| ())
            }
            answered => answered.map(|_| ()),
        }
    }

    pub fn detach(&self, service: &str) -> Result<(), SinkError> {
        self.ask(&Request::Detach { service: service.to_owned() }).map(|_| ())
    }

    /// What the sink did for each service since it started.
    pub fn stats(&self) -> Result<Vec<ServiceStats>, SinkError> {
        Ok(self.ask(&Request::Stats {})?.stats.unwrap_or_default())
    }

    /// Listens to what the sink tells unasked. Does not start one.
    ///
    /// What goes on already comes first. Who needs this without a thread of its own connects to
    /// [`socket`](Self::socket), writes [`SinkEvent::SUBSCRIBE`], and gives each line to
    /// [`SinkEvent::parse`].
    pub fn subscribe(&self) -> Result<Subscription, SinkError> {
        let no_answer = |source| SinkError::NoAnswer { socket: self.socket(), source };
        let mut stream = self.connect()?;
        stream.write_all(SinkEvent::SUBSCRIBE.as_bytes()).map_err(no_answer)?;
        Ok(Subscription { lines: BufReader::new(stream) })
    }

    /// Ends the sink, for a shutdown of everything. This client and its clones start no other.
    pub fn quit(&self) -> Result<(), SinkError> {
        // A start that is under way is waited for here, and then ended.
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.closed = true;
        self.ask(&Request::Quit {})?;
        if let Some(mut child) = started.child.take() {
            let _ = child.wait();
        }
        Ok(())
    }

    fn connect(&self) -> Result<UnixStream, SinkError> {
        let socket = self.socket();
        UnixStream::connect(&socket).map_err(|source| SinkError::NoAnswer { socket, source })
    }

    fn ask(&self, request: &Request) -> Result<Reply, SinkError> {
        let reply = self.connect().and_then(|stream| {
            exchange(stream, request).map_err(|source| SinkError::NoAnswer { socket: self.socket(), source })
        })?;
        if reply.ok {
            return Ok(reply);
        }
        let what = match request {
            Request::Attach(a) => format!("to attach {}", a.service),
            Request::Detach { service } => format!("to detach {service}"),
            Request::Ping {} | Request::Subscribe {} | Request::Stats {} | Request::Quit {} => {
                "to answer".to_owned()
            }
        };
        Err(SinkError::Refused { what, reason: reply.error.unwrap_or_default() })
    }

    /// Starts a sink; `false` when another one holds the lock of this home.
    fn start(&self) -> Result<bool, SinkError> {
        steady_disk::create_private_dir(&self.home)?;
        let complaints = self.home.join("sink.err");
        let stderr = File::create(&complaints).map_err(SinkError::at("create", &complaints))?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.closed {
            return Err(SinkError::Closed { home: self.home.clone() });
        }
        // The one before is dead, or `ping` had been answered.
        if let Some(before) = started.child.as_mut() {
            let _ = before.try_wait();
        }
        let not_started = |reason: String| SinkError::NotStarted {
            program: self.program.clone(),
            home: self.home.clone(),
            reason,
        };
        let mut child = Command::new(&self.program)
            .arg("sink")
            .arg("--home")
            .arg(&self.home)
            .current_dir("/")
            .envs(SMALL_HEAP)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(|e| not_started(e.to_string()))?;
        let stdout = child.stdout.take();
        let said = stdout.map_or(Ok(String::new()), first_word).map_err(|e| not_started(e.to_string()))?;
        if said == "ready" {
            started.child = Some(child);
            return Ok(true);
        }
        match child.wait() {
            Ok(status) if status.success() => Ok(false),
            Ok(_) => Err(not_started(last_line(&complaints))),
            Err(e) => Err(not_started(e.to_string())),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when another sink listens, or its lock is free")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// What the sink tells, as it comes; blocking. Ends when the sink does.
#[derive(Debug)]
pub struct Subscription {
    lines: BufReader<UnixStream>,
}

impl Iterator for Subscription {
    type Item = SinkEvent;

    fn next(&mut self) -> Option<SinkEvent> {
        loop {
            let mut line = String::new();
            // A reset is the end of the sink as well.
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            // The first line is the answer to the request; one of a newer sink may be unknown here.
            if let Some(event) = SinkEvent::parse(&line) {
                return Some(event);
            }
        }
    }
}

fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Reply> {
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// What a new sink says on its standard output, or nothing when it ends without a word.
fn first_word(stdout: ChildStdout) -> io::Result<String> {
    let mut fds = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)];
    if poll(&mut fds, Some(&START))? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it said nothing for 10 s"));
    }
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn last_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().last().unwrap_or("it ended at once and said nothing").to_owned()
}
