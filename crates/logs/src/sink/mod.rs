//! The sink process: one thread, one `poll`, no state that a SIGKILL could take.

mod book;
mod requests;
mod stream;

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, process};

use rustix::event::{PollFd, PollFlags, poll};
use steady_disk::{FileLock, Holder, LockError};

use crate::SinkError;
use crate::pipe::Scratch;
use crate::protocol::{Attachment, Reply, Request, socket_path};
use book::Book;
use requests::Connection;
use stream::Stream;

/// Runs the sink of `home` until it is told to quit or terminated.
///
/// A second sink of the same home returns at once: the first does the work. Says `ready` on standard output
/// once it answers, for the process that started it.
pub fn sink_main(home: &Path) -> Result<(), SinkError> {
    steady_disk::create_private_dir(home)?;
    let holder = Holder {
        pid: process::id(),
        what: "steady sink".to_owned(),
        since: steady_clock::now().wall.to_string(),
    };
    let _lock = match FileLock::try_acquire(&home.join("sink.lock"), &holder) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let mut sink = Sink::open(home)?;
    // Nobody may be listening any more; that changes nothing.
    let _ = io::stdout().write_all(b"ready\n").and_then(|()| io::stdout().flush());
    sink.run()
}

struct Sink {
    socket: PathBuf,
    listener: UnixListener,
    connections: Vec<Connection>,
    streams: Vec<Stream>,
    book: Book,
    scratch: Scratch,
}

impl Sink {
    fn open(home: &Path) -> Result<Self, SinkError> {
        let book = Book::read(&home.join("sink.json"))?;
        let socket = socket_path(home);
        // The lock is ours, so a socket that is there belongs to a dead sink.
        match fs::remove_file(&socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(SinkError::at("remove", &socket)(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(SinkError::at("listen at", &socket))?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))
            .and_then(|()| listener.set_nonblocking(true))
            .map_err(SinkError::at("prepare", &socket))?;
        let scratch = Scratch::new().map_err(SinkError::at("make a pipe for", home))?;
        // A stream that cannot be opened now is attached again by the agent, which hears why.
        let streams = book.attached().iter().filter_map(|a| Stream::open(a.clone()).ok()).collect();
        Ok(Self { socket, listener, connections: Vec::new(), streams, book, scratch })
    }

    fn run(&mut self) -> Result<(), SinkError> {
        loop {
            let ready = self.wait()?;
            let (streams, connections) = (self.streams.len(), self.connections.len());
            for (stream, ready) in self.streams.iter_mut().zip(ready.iter()) {
                if *ready {
                    stream.pump(&mut self.scratch);
                }
            }
            for index in (0..connections).rev() {
                if ready.get(streams + index) == Some(&true) && self.serve(index) == Served::Quit {
                    return Ok(());
                }
            }
            if ready.last() == Some(&true) {
                self.accept();
            }
        }
    }

    /// Waits until something is ready: streams first, then connections, then the listener.
    fn wait(&self) -> Result<Vec<bool>, SinkError> {
        let streams = self.streams.iter().map(Stream::as_fd);
        let connections = self.connections.iter().map(Connection::as_fd);
        let listener = std::os::fd::AsFd::as_fd(&self.listener);
        let mut fds: Vec<PollFd<'_>> = streams
            .chain(connections)
            .chain([listener])
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) => Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => Ok(vec![false; fds.len()]),
            Err(e) => Err(SinkError::at("wait for output at", &self.socket)(e.into())),
        }
    }

    fn accept(&mut self) {
        // A client that is gone again is no reason to stop draining.
        if let Ok((stream, _)) = self.listener.accept()
            && let Ok(connection) = Connection::new(stream)
        {
            self.connections.push(connection);
        }
    }

    fn serve(&mut self, index: usize) -> Served {
        let Some(connection) = self.connections.get_mut(index) else { return Served::Kept };
        let heard = connection.hear();
        let mut served = Served::Kept;
        let mut closed = heard.closed;
        for line in heard.lines {
            let (reply, next) = self.answer(&line);
            served = served.max(next);
            let Some(connection) = self.connections.get_mut(index) else { break };
            closed |= connection.say(&reply).is_err();
        }
        if closed {
            self.connections.swap_remove(index);
        }
        served
    }

    fn answer(&mut self, line: &[u8]) -> (Reply, Served) {
        let request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(e) => return (Reply { ok: false, error: Some(format!("not a request: {e}")) }, Served::Kept),
        };
        let done = match request {
            Request::Ping {} => Ok(()),
            Request::Attach(attachment) => self.attach(attachment),
            Request::Detach { service } => {
                self.streams.retain(|s| s.service() != service);
                self.book.remove(&service)
            }
            Request::Quit {} => return (Reply { ok: true, error: None }, Served::Quit),
        };
        let error = done.err().map(|e| e.to_string());
        (Reply { ok: error.is_none(), error }, Served::Kept)
    }

    fn attach(&mut self, attachment: Attachment) -> Result<(), SinkError> {
        match self.streams.iter_mut().find(|s| s.service() == attachment.service) {
            Some(stream) if stream.same_place(&attachment) => stream.limit(&attachment),
            Some(stream) => *stream = Stream::open(attachment.clone())?,
            None => self.streams.push(Stream::open(attachment.clone())?),
        }
        self.book.put(attachment)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Served {
    Kept,
    Quit,
}
