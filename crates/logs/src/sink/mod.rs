//! The sink process: one thread that drains, one wait, no state that a SIGKILL could take.

mod book;
mod breath;
mod descriptors;
mod drops;
mod ledger;
mod requests;
mod stream;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, process};

use steady_disk::{FileLock, Holder, LockError};
use steady_model::crash::CrashSubject;
use steady_model::time::{AwakeInstant, Now};

use crate::SinkError;
use crate::pipe::Scratch;
use crate::protocol::{Attachment, Reply, Request, SinkEvent, socket_path};
use crate::ready::{Ready, Token};
use book::Book;
use breath::Breath;
use requests::Connection;
use stream::{Bench, Stream};
use worker::Worker;

const LISTENER: Token = 0;
/// By then the services of a start are attached.
const SETTLE: Duration = Duration::from_secs(5);

/// Runs the sink of `home` until it is told to quit or terminated.
///
/// A second sink of the same home returns at once: the first does the work. Says `ready` on standard output
/// once it answers, for the process that started it.
pub fn sink_main(home: &Path) -> Result<(), SinkError> {
    steady_disk::create_private_dir(home)?;
    steady_crash::install_panic_hook(home, CrashSubject::Sink);
    let since = steady_clock::now().wall;
    let holder = Holder { pid: process::id(), what: "steady sink".to_owned(), since: since.to_string() };
    let _lock = match FileLock::try_acquire(&home.join("sink.lock"), &holder) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    descriptors::allow_many();
    let mut sink = Sink::open(home)?;
    // Nobody may be listening any more; that changes nothing.
    let _ = io::stdout().write_all(b"ready\n").and_then(|()| io::stdout().flush());
    sink.run()
}

struct Sink {
    socket: PathBuf,
    listener: UnixListener,
    ready: Ready,
    next: Token,
    connections: BTreeMap<Token, Connection>,
    streams: BTreeMap<Token, Stream>,
    /// Those that are not waited for, since they are looked at anyway.
    unwatched: BTreeSet<Token>,
    /// When streams want to be ticked, and the same by stream.
    due: BTreeSet<(AwakeInstant, Token)>,
    due_of: BTreeMap<Token, AwakeInstant>,
    book: Book,
    /// Answers of this round, given once the book is written.
    answers: Vec<(Token, Answer)>,
    /// Connections that ended in this round; who only sends no more may still hear its answer.
    closed: Vec<Token>,
    scratch: Scratch,
    worker: Worker,
}

struct Answer {
    reply: Reply,
    /// Events follow it.
    listens: bool,
    /// It is true once the book says so.
    noted: bool,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, listens: false, noted: false }
    }
}

impl Sink {
    fn open(home: &Path) -> Result<Self, SinkError> {
        let book = Book::read(home)?;
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
        let mut ready = Ready::new().map_err(SinkError::at("prepare to wait at", &socket))?;
        ready
            .watch(std::os::fd::AsFd::as_fd(&listener), LISTENER)
            .map_err(SinkError::at("wait at", &socket))?;
        let scratch = Scratch::new().map_err(SinkError::at("make a pipe for", home))?;
        let attached = book.attached().cloned().collect::<Vec<_>>();
        let mut sink = Self {
            socket,
            listener,
            ready,
            next: LISTENER + 1,
            connections: BTreeMap::new(),
            streams: BTreeMap::new(),
            unwatched: BTreeSet::new(),
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            book,
            answers: Vec::new(),
            closed: Vec::new(),
            scratch,
            worker: Worker::default(),
        };
        for attachment in attached {
            // A FIFO that cannot be opened now is attached again by the agent, which hears why.
            let _ = Stream::open(attachment, true, &sink.worker).and_then(|stream| sink.add(stream));
        }
        Ok(sink)
    }

    fn run(&mut self) -> Result<(), SinkError> {
        let (mut ready, mut breath) = (Vec::new(), Breath::default());
        // What is looked at after a pause, whether or not the system says that it is ready.
        let mut flowing: Vec<Token> = Vec::new();
        let mut settles = Some(steady_clock::now().awake.after(SETTLE));
        loop {
            let now = steady_clock::now().awake;
            if settles.is_some_and(|at| at <= now) {
                settles = None;
                steady_footprint::give_back();
            }
            let next = self.due.first().map(|(at, _)| *at).into_iter().chain(settles).min();
            let timeout = next.map(|at| at.since(now));
            let timeout = if flowing.is_empty() { timeout } else { Some(Duration::ZERO) };
            self.ready
                .wait(timeout, &mut ready)
                .map_err(SinkError::at("wait for output at", &self.socket))?;
            ready.append(&mut flowing);
            let (mut quit, mut most, mut moving) = (false, 0, Vec::new());
            for token in &ready {
                if self.streams.contains_key(token) {
                    let moved = self.pump(*token)?;
                    most = moved.max(most);
                    moving.extend((moved > 0).then_some(*token));
                } else if *token == LISTENER {
                    self.accept();
                } else {
                    quit |= self.serve(*token);
                }
            }
            self.give_answers();
            for token in std::mem::take(&mut self.closed) {
                self.disconnect(token);
            }
            if quit {
                return Ok(());
            }
            self.tick();
            match breath.after(most, steady_clock::now().awake) {
                Some(length) => {
                    for token in &moving {
                        self.turn_from(*token);
                    }
                    breath::pause(length);
                    flowing = moving;
                }
                None => moving.into_iter().try_for_each(|token| self.turn_to(token))?,
            }
        }
    }

    /// Lets its output gather unwatched: to a FIFO that somebody watches, every single write costs its service a
    /// look at who might be woken.
    fn turn_from(&mut self, token: Token) {
        if let Some(stream) = self.streams.get(&token)
            && self.unwatched.insert(token)
        {
            self.ready.forget(stream.as_fd(), token);
        }
    }

    fn turn_to(&mut self, token: Token) -> Result<(), SinkError> {
        match self.streams.get(&token) {
            Some(stream) if self.unwatched.remove(&token) => self
                .ready
                .watch(stream.as_fd(), token)
                .map_err(SinkError::at("wait for output at", &self.socket)),
            _ => Ok(()),
        }
    }

    /// Says how many bytes it moved.
    fn pump(&mut self, token: Token) -> Result<usize, SinkError> {
        let Some(stream) = self.streams.get_mut(&token) else { return Ok(0) };
        let now = steady_clock::now();
        let moved = stream.pump(&mut Bench { scratch: &mut self.scratch, worker: &self.worker, now });
        self.after(token, now);
        if moved == 0 {
            self.turn_to(token)?;
        }
        Ok(moved)
    }

    fn tick(&mut self) {
        let Some((first, _)) = self.due.first() else { return };
        let now = steady_clock::now();
        if *first > now.awake {
            return;
        }
        let due: Vec<Token> = self.due.range(..=(now.awake, Token::MAX)).map(|(_, token)| *token).collect();
        for token in due {
            if let Some(stream) = self.streams.get_mut(&token) {
                stream.tick(&Bench { scratch: &mut self.scratch, worker: &self.worker, now });
            }
            self.after(token, now);
        }
    }

    /// What every touch of a stream ends with: its news go out, and its next time is noted.
    fn after(&mut self, token: Token, now: Now) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        let due = stream.due(now);
        let news = stream.take_news();
        if due != self.due_of.get(&token).copied() {
            self.forget_due(token);
            if let Some(at) = due {
                self.due.insert((at, token));
                self.due_of.insert(token, at);
            }
        }
        for event in news {
            self.tell(&event);
        }
    }

    fn forget_due(&mut self, token: Token) {
        if let Some(before) = self.due_of.remove(&token) {
            self.due.remove(&(before, token));
        }
    }

    fn tell(&mut self, event: &SinkEvent) {
        let listeners = self.connections.iter_mut().filter(|(_, c)| c.listens);
        // One that does not read is let go, and hears what goes on when it comes again.
        let deaf: Vec<Token> =
            listeners.filter_map(|(token, c)| c.say(event).is_err().then_some(*token)).collect();
        for token in deaf {
            self.disconnect(token);
        }
    }

    fn add(&mut self, stream: Stream) -> Result<(), SinkError> {
        let token = self.take_token();
        self.ready.watch(stream.as_fd(), token).map_err(SinkError::at("wait at", &self.socket))?;
        self.streams.insert(token, stream);
        self.after(token, steady_clock::now());
        Ok(())
    }

    fn remove(&mut self, token: Token) {
        if let Some(stream) = self.streams.remove(&token) {
            self.ready.forget(stream.as_fd(), token);
        }
        self.unwatched.remove(&token);
        self.forget_due(token);
    }

    fn take_token(&mut self) -> Token {
        let token = self.next;
        self.next += 1;
        token
    }

    fn accept(&mut self) {
        // A client that is gone again is no reason to stop draining.
        let Ok((stream, _)) = self.listener.accept() else { return };
        let Ok(connection) = Connection::new(stream) else { return };
        let token = self.take_token();
        if self.ready.watch(connection.as_fd(), token).is_ok() {
            self.connections.insert(token, connection);
        }
    }

    fn disconnect(&mut self, token: Token) {
        if let Some(connection) = self.connections.remove(&token) {
            self.ready.forget(connection.as_fd(), token);
        }
    }

    /// Returns whether the sink was told to quit.
    fn serve(&mut self, token: Token) -> bool {
        let Some(connection) = self.connections.get_mut(&token) else { return false };
        let heard = connection.hear();
        let mut quit = false;
        for line in heard.lines {
            let answer = match serde_json::from_slice(&line) {
                Ok(request) => {
                    quit |= request == Request::Quit {};
                    self.answer(request)
                }
                Err(e) => refusal(&format!("not a request: {e}")).into(),
            };
            self.answers.push((token, answer));
        }
        if heard.closed {
            self.closed.push(token);
        }
        quit
    }

    fn answer(&mut self, request: Request) -> Answer {
        let ok = Reply { ok: true, ..Reply::default() };
        match request {
            Request::Ping {} | Request::Quit {} => ok.into(),
            Request::Attach(attachment) => match self.attach(attachment) {
                Ok(()) => Answer { noted: true, ..ok.into() },
                Err(e) => refusal(&e.to_string()).into(),
            },
            Request::Detach { service } => {
                if let Some(token) = self.token_of(&service) {
                    self.remove(token);
                }
                self.book.remove(&service);
                Answer { noted: true, ..ok.into() }
            }
            Request::Subscribe {} => Answer { listens: true, ..ok.into() },
            Request::Stats {} => {
                let stats = self.streams.values().map(Stream::stats).collect();
                Reply { stats: Some(stats), ..ok }.into()
            }
        }
    }

    /// One writing of the book for all that was asked in this round, and then the answers.
    fn give_answers(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let written = self.book.write();
        for (token, Answer { mut reply, listens, noted }) in std::mem::take(&mut self.answers) {
            if let (true, Err(e)) = (noted, &written) {
                reply = refusal(&e.to_string());
            }
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            let mut said = connection.say(&reply);
            if listens {
                connection.listens = true;
                let mut present = self.streams.values().flat_map(Stream::present);
                said = said.and_then(|()| present.try_for_each(|event| connection.say(&event)));
            }
            if said.is_err() {
                self.disconnect(token);
            }
        }
    }

    fn token_of(&self, service: &str) -> Option<Token> {
        self.streams.iter().find(|(_, s)| s.service() == service).map(|(token, _)| *token)
    }

    fn attach(&mut self, attachment: Attachment) -> Result<(), SinkError> {
        let token = self.token_of(&attachment.service);
        match token.and_then(|token| Some((token, self.streams.get_mut(&token)?))) {
            Some((token, stream)) if stream.same_place(&attachment) => {
                stream.limit(&attachment, &self.worker);
                self.after(token, steady_clock::now());
            }
            before => {
                let before = before.map(|(token, _)| token);
                let stream = Stream::open(attachment.clone(), false, &self.worker)?;
                if let Some(token) = before {
                    self.remove(token);
                }
                self.add(stream)?;
            }
        }
        self.book.put(attachment);
        Ok(())
    }
}

fn refusal(reason: &str) -> Reply {
    Reply { ok: false, error: Some(reason.to_owned()), stats: None }
}
