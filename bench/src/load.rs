//! Requests at a fixed rate, or as many as are answered, from one thread.
//!
//! Open loop: each request is due at its own time whatever became of those before it, and its latency counts from
//! then, so that a server that stands still for a moment is charged for all who would have asked meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::clock::Moment;

const CONNECTIONS: usize = 32;
/// A run that nobody answers any more ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// A resting thread looks at the clock at least so often.
const REST: Duration = Duration::from_millis(100);

pub struct Answers {
    /// Milliseconds from when each was due to its last byte.
    pub latencies: Vec<f64>,
    pub per_second: f64,
    /// Answers with another status than 2xx.
    pub refused: usize,
}

/// What is asked, by how many, and how fast.
pub struct Load<'a> {
    pub server: SocketAddr,
    pub connections: usize,
    /// Requests a second; `None` asks again as soon as it is answered.
    pub rate: Option<u32>,
    pub span: Duration,
    /// Sleeps until an answer comes, for a server that shares its processors with us. Else it never does: to wake up
    /// would make it late for what is due.
    pub rests: bool,
    /// The next request.
    pub request: &'a mut dyn FnMut() -> Vec<u8>,
}

/// One page, asked over and over; every answer must be a success.
pub fn run(server: SocketAddr, path: &str, rate: Option<u32>, span: Duration) -> anyhow::Result<Answers> {
    let page = get(server, path);
    let request = &mut || page.clone();
    let answers = Load { server, connections: CONNECTIONS, rate, span, rests: false, request }.run()?;
    ensure!(answers.refused == 0, "{server} refuses {path}");
    Ok(answers)
}

pub fn get(server: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes()
}

pub fn post(server: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

impl Load<'_> {
    pub fn run(self) -> anyhow::Result<Answers> {
        let Self { server, connections, rate, span, rests, request } = self;
        let mut lines = (0..connections).map(|_| Line::open(server)).collect::<anyhow::Result<Vec<_>>>()?;
        let step = rate.map_or(0, |rate| 1_000_000_000 / u64::from(rate.max(1)));
        let begun = Moment::now();
        let end = Moment(begun.0 + u64::try_from(span.as_nanos())?);
        let (mut due, mut latencies, mut refused) = (begun, Vec::new(), 0);
        loop {
            let now = Moment::now();
            for line in lines.iter_mut().filter(|line| line.due.is_none()) {
                if due > now.min(end) || now >= end && rate.is_none() {
                    break;
                }
                line.ask(&request(), if rate.is_some() { due } else { now })?;
                due = Moment(due.0 + step);
            }
            for line in lines.iter_mut().filter(|line| line.is_readable && line.due.is_some()) {
                if let Some(answer) = line.answer()? {
                    latencies.push(answer.took);
                    refused += usize::from(!answer.is_success);
                }
            }
            if now >= end && lines.iter().all(|line| line.due.is_none()) {
                let per_second = f64::from(u32::try_from(latencies.len())?) / now.since(begun).as_secs_f64();
                return Ok(Answers { latencies, per_second, refused });
            }
            ensure!(now.since(end) < PATIENCE, "{server} no longer answers");
            let free = lines.iter().any(|line| line.due.is_none());
            let pause = match (rests, rate) {
                (false, _) => Duration::ZERO,
                (true, Some(_)) if free && due < end => due.since(now).min(REST),
                (true, _) => REST,
            };
            look(&mut lines, pause)?;
        }
    }
}

/// Waits at most so long until one of them was answered.
fn look(lines: &mut [Line], pause: Duration) -> anyhow::Result<()> {
    let mut all: Vec<_> = lines.iter().map(|line| PollFd::new(&line.stream, PollFlags::IN)).collect();
    let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
    match poll(&mut all, Some(&pause)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => return Err(e).context("cannot poll"),
    }
    let readable: Vec<bool> = all.iter().map(|fd| !fd.revents().is_empty()).collect();
    for (line, is_readable) in lines.iter_mut().zip(readable) {
        line.is_readable = is_readable;
    }
    Ok(())
}

struct Line {
    stream: TcpStream,
    due: Option<Moment>,
    is_readable: bool,
    read: Vec<u8>,
}

struct Answer {
    /// Milliseconds.
    took: f64,
    is_success: bool,
}

impl Line {
    fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, due: None, is_readable: false, read: Vec::new() })
    }

    fn ask(&mut self, request: &[u8], due: Moment) -> anyhow::Result<()> {
        self.stream.write_all(request).context("cannot send a request")?;
        self.due = Some(due);
        Ok(())
    }

    fn answer(&mut self) -> anyhow::Result<Option<Answer>> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => self.read.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e).context("cannot read an answer"),
        }
        let Some(is_success) = whole(&self.read)? else { return Ok(None) };
        self.read.clear();
        let due = self.due.take().context("an answer without a question")?;
        Ok(Some(Answer { took: crate::part::milliseconds(Moment::now().since(due)), is_success }))
    }
}

/// Whether a whole answer is a success; `None` while it is not whole.
fn whole(bytes: &[u8]) -> anyhow::Result<Option<bool>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without its length")?.trim().parse()?;
    Ok((bytes.len() >= end + 4 + length).then(|| head.starts_with("http/1.1 2")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers each request after `pause`, one connection after the other's turn.
    fn server(pause: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut request = [0; 1024];
                    while matches!(stream.read(&mut request), Ok(1..)) {
                        crate::clock::pause(pause);
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                    }
                });
            }
        });
        address
    }

    #[test]
    fn a_fixed_rate_is_kept_and_a_slow_server_is_charged_from_when_a_request_was_due() {
        let answers = run(server(Duration::ZERO), "/", Some(200), Duration::from_millis(500)).unwrap();
        assert!((95..=101).contains(&answers.latencies.len()), "{}", answers.latencies.len());
        // 32 connections of 100 ms each answer 320 a second: what is due meanwhile waits.
        let late =
            run(server(Duration::from_millis(100)), "/", Some(1000), Duration::from_millis(500)).unwrap();
        let longest = late.latencies.iter().copied().fold(0.0, f64::max);
        assert!(longest > 300.0, "{longest}");
    }
}
