//! A log followed for one client: a thread that reads, a bounded channel, and a gap where a client is too slow.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use steady_logs::{Follower, Position, Query, Stopper};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// Each is a thread.
const MOST: usize = 32;
static FREE: Semaphore = Semaphore::const_new(MOST);
/// Batches that wait for a client, each of at most so many bytes of lines.
const WAITING: usize = 8;
const BATCH: usize = 256 << 10;
/// How long a client may take for one batch before lines are left out.
const PATIENCE: Duration = Duration::from_secs(2);
/// Only bounds one wait: new lines, and the end of the client, wake the follower at once.
const QUIET: Duration = Duration::from_secs(3600);
const STACK: usize = 512 << 10;

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("{MOST} logs are being followed already; end one of them")]
    TooMany,
    #[error("cannot follow the log in {}: {source}", dir.display())]
    Follow { dir: PathBuf, source: io::Error },
}

#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// `position` is where a reconnect goes on.
    Lines { lines: Vec<String>, position: Option<Position> },
    /// So many lines were left out here.
    Gap(u64),
}

pub enum Begin {
    /// With the lines that the query asks for.
    With,
    /// After what was sent earlier.
    After(Position),
}

/// A client's side of it. The thread ends when this goes.
pub struct Following {
    /// Goes first: a follower that is stopped must find nobody left to tell.
    news: mpsc::Receiver<News>,
    _stopper: Stopper,
}

impl Following {
    /// `None` when the log cannot be followed any more.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }
}

/// Follows the log in `dir`. Needs a tokio runtime.
pub async fn open(dir: &Path, wanted: Query, begin: Begin) -> Result<Following, StreamError> {
    let permit = FREE.try_acquire().map_err(|_| StreamError::TooMany)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let owned = dir.to_owned();
    let opened =
        tokio::task::spawn_blocking(move || start(&owned, &wanted, &begin).map(|s| (s, wanted.grep)));
    let at = |source| StreamError::Follow { dir: dir.to_owned(), source };
    let (start, grep) = opened.await.map_err(|e| at(io::Error::other(e)))?.map_err(at)?;
    let runtime = tokio::runtime::Handle::current();
    let stopper = start.follower.stopper();
    let feed = Feed { sender, runtime, grep, left_out: 0, _permit: permit };
    std::thread::Builder::new()
        .name("follow-log".to_owned())
        .stack_size(STACK)
        .spawn(move || feed.run(start))
        .map_err(at)?;
    Ok(Following { news: receiver, _stopper: stopper })
}

struct Start {
    /// What was there already; `None` when the client knows it.
    first: Option<Vec<String>>,
    follower: Follower,
}

fn start(dir: &Path, wanted: &Query, begin: &Begin) -> io::Result<Start> {
    // A service that never ran has no directory yet.
    std::fs::create_dir_all(dir)?;
    match begin {
        Begin::After(position) => Ok(Start { first: None, follower: Follower::resume(dir, *position)? }),
        Begin::With => {
            let follower = Follower::new(dir, 0)?;
            // Up to where the follower begins: nothing twice, nothing missing.
            let lines = steady_logs::read_until(dir, wanted, follower.position())?;
            Ok(Start { first: Some(lines.into_iter().map(|line| line.text).collect()), follower })
        }
    }
}

struct Feed {
    sender: mpsc::Sender<News>,
    runtime: tokio::runtime::Handle,
    grep: Option<Regex>,
    /// Lines that the client has not been told of yet.
    left_out: u64,
    _permit: SemaphorePermit<'static>,
}

impl Feed {
    fn run(mut self, Start { first, mut follower }: Start) {
        let position = follower.position();
        let begun = match first {
            None => Some(()),
            // Said as well: who waits for lines must learn that there are none yet.
            Some(none) if none.is_empty() => self.offer(none, position),
            Some(lines) => self.send(lines, position),
        };
        if begun.is_none() {
            return;
        }
        loop {
            let lines = match follower.next_lines(QUIET) {
                Ok(lines) => lines,
                Err(e) => return tracing::warn!("a log can no longer be followed: {e}"),
            };
            if self.sender.is_closed() {
                return;
            }
            let position = follower.position();
            let wanted = |line: &String| self.grep.as_ref().is_none_or(|grep| grep.is_match(line));
            let lines: Vec<String> = lines.into_iter().filter(wanted).collect();
            if !lines.is_empty() && self.send(lines, position).is_none() {
                return;
            }
        }
    }

    /// `None` when the client has gone.
    fn send(&mut self, lines: Vec<String>, position: Option<Position>) -> Option<()> {
        let mut batches = batches(lines).into_iter().peekable();
        while let Some(lines) = batches.next() {
            // A reconnect in the middle of them would begin before the first: rather twice than never.
            let position = if batches.peek().is_none() { position } else { None };
            self.offer(lines, position)?;
        }
        Some(())
    }

    fn offer(&mut self, lines: Vec<String>, position: Option<Position>) -> Option<()> {
        let count = lines.len() as u64;
        if self.left_out > 0 {
            match self.sender.try_send(News::Gap(self.left_out)) {
                Ok(()) => self.left_out = 0,
                Err(mpsc::error::TrySendError::Closed(_)) => return None,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.left_out += count;
                    return Some(());
                }
            }
        }
        let send = self.sender.send_timeout(News::Lines { lines, position }, PATIENCE);
        match self.runtime.block_on(send) {
            Ok(()) => Some(()),
            Err(SendTimeoutError::Timeout(_)) => {
                self.left_out += count;
                Some(())
            }
            Err(SendTimeoutError::Closed(_)) => None,
        }
    }
}

fn batches(lines: Vec<String>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut room = 0;
    for line in lines {
        match batches.last_mut() {
            Some(batch) if line.len() <= room => {
                room -= line.len();
                batch.push(line);
            }
            _ => {
                room = BATCH.saturating_sub(line.len());
                batches.push(vec![line]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn all(lines: usize) -> Query {
        Query { since: None, grep: None, lines }
    }

    fn append(dir: &Path, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(dir.join("current")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    async fn lines(following: &mut Following, count: usize) -> (Vec<String>, Option<Position>) {
        let (mut seen, mut at) = (Vec::new(), None);
        while seen.len() < count {
            let news = tokio::time::timeout(LIMIT, following.next()).await.expect("lines in time");
            let Some(News::Lines { lines, position }) = news else { panic!("{news:?} after {seen:?}") };
            seen.extend(lines);
            at = position;
        }
        (seen, at)
    }

    #[tokio::test]
    async fn a_client_that_comes_back_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "1\n2\n3\n");
        let mut first = open(dir.path(), all(2), Begin::With).await.unwrap();
        assert_eq!(lines(&mut first, 2).await.0, ["2", "3"]);
        append(dir.path(), "4\n");
        let (seen, at) = lines(&mut first, 1).await;
        assert_eq!(seen, ["4"]);
        drop(first);
        append(dir.path(), "5\n6\n");
        let mut again = open(dir.path(), all(99), Begin::After(at.unwrap())).await.unwrap();
        assert_eq!(lines(&mut again, 2).await.0, ["5", "6"]);
    }

    #[tokio::test]
    async fn only_matching_lines_are_sent() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "error 1\nfine\nerror 2\n");
        let wanted = Query { grep: Some(Regex::new("^error").unwrap()), ..all(1) };
        let mut news = open(dir.path(), wanted, Begin::With).await.unwrap();
        assert_eq!(lines(&mut news, 1).await.0, ["error 2"]);
        append(dir.path(), "fine\nerror 3\n");
        assert_eq!(lines(&mut news, 1).await.0, ["error 3"]);
    }

    /// The channel holds 2 MB; what a client does not take within the patience is counted, not kept.
    #[tokio::test]
    async fn a_client_that_does_not_read_gets_a_counted_gap_and_not_all_of_memory() {
        const LINES: usize = 4000;
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "first\n");
        let mut news = open(dir.path(), all(1), Begin::With).await.unwrap();
        assert_eq!(lines(&mut news, 1).await.0, ["first"]);
        let long = "x".repeat(2000);
        let text: Vec<String> = (0..LINES).map(|n| format!("{n} {long}\n")).collect();
        append(dir.path(), &text.concat());
        // Nobody reads until lines were left out, which the thread's patience decides.
        let waited = tokio::time::timeout(LIMIT, async {
            while news.news.len() < WAITING {
                tokio::task::yield_now().await;
            }
        });
        waited.await.unwrap();
        let (_idle, mut wait) = mpsc::channel::<()>(1);
        let _ = tokio::time::timeout(PATIENCE + Duration::from_secs(1), wait.recv()).await;
        let (mut sent, mut left_out, mut last) = (0, 0, String::new());
        while sent + left_out < LINES as u64 || !last.ends_with("the end") {
            append(dir.path(), "the end\n");
            let news = tokio::time::timeout(LIMIT, news.next()).await.unwrap().unwrap();
            match news {
                News::Lines { lines, .. } => {
                    last = lines.last().cloned().unwrap_or_default();
                    sent += lines.iter().filter(|l| l.ends_with('x')).count() as u64;
                }
                News::Gap(lines) => left_out += lines,
            }
        }
        assert!(left_out > 0, "nothing was left out, so nothing bounded it");
        assert!(sent < LINES as u64, "{sent} sent");
    }

    #[tokio::test]
    async fn no_log_yet_is_followed_from_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("brain");
        let mut news = open(&logs, all(9), Begin::With).await.unwrap();
        fs::write(logs.join("current"), "").unwrap();
        append(&logs, "hello\n");
        assert_eq!(lines(&mut news, 1).await.0, ["hello"]);
    }
}
