//! Requests at a fixed rate, or as many as are answered, from one thread that never sleeps.
//!
//! Open loop: each request is due at its own time whatever became of those before it, and its latency counts from
//! then, so that a server that stands still for a moment is charged for all who would have asked meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::clock::Moment;

const CONNECTIONS: usize = 32;
/// A run that nobody answers any more ends.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Answers {
    /// Milliseconds from when each was due to its last byte.
    pub latencies: Vec<f64>,
    pub per_second: f64,
}

/// `rate` is requests a second; `None` asks again as soon as it is answered.
pub fn run(server: SocketAddr, path: &str, rate: Option<u32>, span: Duration) -> anyhow::Result<Answers> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n");
    let mut lines = (0..CONNECTIONS).map(|_| Line::open(server)).collect::<anyhow::Result<Vec<_>>>()?;
    let step = rate.map_or(0, |rate| 1_000_000_000 / u64::from(rate.max(1)));
    let begun = Moment::now();
    let end = Moment(begun.0 + u64::try_from(span.as_nanos())?);
    let (mut due, mut latencies) = (begun, Vec::new());
    loop {
        let now = Moment::now();
        for line in lines.iter_mut().filter(|line| line.due.is_none()) {
            if due > now.min(end) || now >= end && rate.is_none() {
                break;
            }
            line.ask(request.as_bytes(), if rate.is_some() { due } else { now })?;
            due = Moment(due.0 + step);
        }
        let mut is_idle = true;
        for line in lines.iter_mut().filter(|line| line.due.is_some()) {
            latencies.extend(line.answer()?);
            is_idle &= line.due.is_none();
        }
        if now >= end && is_idle {
            let per_second = f64::from(u32::try_from(latencies.len())?) / now.since(begun).as_secs_f64();
            return Ok(Answers { latencies, per_second });
        }
        ensure!(now.since(end) < PATIENCE, "{server} no longer answers");
        rest(&lines)?;
    }
}

/// One look at who has answered, without waiting: sleeping would make the thread late for what is due.
fn rest(lines: &[Line]) -> anyhow::Result<()> {
    let mut all: Vec<_> = lines.iter().map(|line| PollFd::new(&line.stream, PollFlags::IN)).collect();
    poll(&mut all, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).context("cannot poll")?;
    Ok(())
}

/// One connection, with at most one request under way.
struct Line {
    stream: TcpStream,
    due: Option<Moment>,
    read: Vec<u8>,
}

impl Line {
    fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, due: None, read: Vec::new() })
    }

    fn ask(&mut self, request: &[u8], due: Moment) -> anyhow::Result<()> {
        self.stream.write_all(request).context("cannot send a request")?;
        self.due = Some(due);
        Ok(())
    }

    fn answer(&mut self) -> anyhow::Result<Option<f64>> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => self.read.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e).context("cannot read an answer"),
        }
        if !is_whole(&self.read)? {
            return Ok(None);
        }
        self.read.clear();
        let due = self.due.take().context("an answer without a question")?;
        Ok(Some(crate::part::milliseconds(Moment::now().since(due))))
    }
}

/// Whether it is a whole answer; an error when it is none that counts.
fn is_whole(bytes: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "the server answers {:?}", head.lines().next());
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without its length")?.trim().parse()?;
    Ok(bytes.len() >= end + 4 + length)
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
