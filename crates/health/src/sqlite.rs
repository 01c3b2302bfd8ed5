//! SQLite: a database opens read-only and answers; its `-wal` is taken back into it; from time to time, it is whole.
//!
//! The check of the whole runs on a thread of its own, with a connection of its own: the cheap look does not wait
//! for it (but the first, for a moment) and says what the last one found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::check::{Sample, Status};
use steady_model::config::SqliteLimits;
use steady_model::time::{AwakeInstant, Now};
use steady_model::words;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::float::float;
use crate::probe::{Probe, Seen, moment, one_line};
use crate::sqlite_reader::{self, SqliteError};
use crate::threads;
use crate::worker::Aside;

/// The first look waits this long for the check of the whole: small databases are told whole at once.
const FIRST: Duration = Duration::from_secs(2);
/// A reader keeps a `-wal` from starting over: a check of the whole is not let run longer.
const LONGEST: Duration = Duration::from_secs(120);
/// Where there is no `-wal`, a reader keeps writers out, and theirs usually wait for 5 s.
const LONGEST_ALONE: Duration = Duration::from_secs(2);
/// What was found damaged is looked at again that soon, or what was not finished.
const AGAIN: Duration = Duration::from_secs(600);
/// Instructions of SQLite's machine between two looks at the time.
const STEPS: i32 = 10_000;
const SHOWN: usize = 160;

pub struct SqliteProbe {
    path: PathBuf,
    limits: SqliteLimits,
    cheap: Aside<Result<Look, SqliteError>>,
    last_wal: Option<u64>,
    tables: u64,
    deep: Deep,
}

/// What a cheap look saw.
#[derive(Debug, Clone, Copy)]
struct Look {
    tables: u64,
    bytes: u64,
    wal: Option<u64>,
}

/// What a check of the whole found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whole {
    Sound,
    Damaged(String),
    /// Given up after so long.
    Unfinished(Duration),
    Refused(String),
}

#[derive(Default)]
struct Deep {
    running: Option<oneshot::Receiver<Whole>>,
    found: Option<(Now, Whole)>,
}

impl SqliteProbe {
    pub fn new(path: PathBuf, limits: SqliteLimits) -> Self {
        Self { path, limits, cheap: Aside::new(), last_wal: None, tables: 0, deep: Deep::default() }
    }
}

impl Probe for SqliteProbe {
    async fn look(&mut self) -> Seen {
        let begun = self.deep.begin(&self.path, self.limits.deep, steady_clock::now().awake);
        let path = self.path.clone();
        let looked = self.cheap.run(move || look(&path)).await;
        if begun && self.deep.found.is_none() {
            self.deep.wait().await;
        }
        self.deep.collect(steady_clock::now());
        let shown = self.path.display();
        match looked {
            Err(e) => Seen::new(Status::Unknown, format!("it could not be looked at: {e}")),
            Ok(Err(e)) => refused(&shown.to_string(), &e),
            Ok(Ok(look)) => {
                let seen = judge(look, self.tables, self.last_wal, self.limits.max_wal);
                (self.tables, self.last_wal) = (self.tables.max(look.tables), look.wal);
                let seen = self.deep.told(seen, steady_clock::now());
                Seen { evidence: format!("{shown}: {}", seen.evidence), ..seen }
            }
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let since =
            self.cheap.since().map_or_else(String::new, |t| format!(", still waiting since {}", moment(t)));
        let within = words::span(timeout);
        Seen::new(
            Status::Fail,
            format!("{}: no answer from the volume within {within}{since}", self.path.display()),
        )
    }
}

fn refused(path: &str, error: &SqliteError) -> Seen {
    let status = match error {
        SqliteError::Locked | SqliteError::Interrupted => Status::Warn,
        SqliteError::NoIndex | SqliteError::Unreachable(_) => Status::Unknown,
        _ => Status::Fail,
    };
    let seen = Seen {
        fact: error.is_fact(),
        ..Seen::new(status, format!("{path}: {}", one_line(&error.to_string(), SHOWN)))
    };
    match error {
        SqliteError::Missing => {
            seen.so("Correct its path in steady.toml, or restore the newest verified backup")
        }
        SqliteError::Forbidden(_) => seen.so("Give Steady's user the right to read the file"),
        SqliteError::NotAFile => seen.so("Correct its path in steady.toml"),
        SqliteError::Locked => seen.so("Wait; if it lasts, restart what keeps it locked"),
        SqliteError::Interrupted | SqliteError::NoIndex => {
            seen.so("Start the program that owns the database; it repairs it by itself")
        }
        _ => seen,
    }
}

fn look(path: &Path) -> Result<Look, SqliteError> {
    let db = sqlite_reader::open(path)?;
    let tables: i64 = db.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        [],
        |row| row.get(0),
    )?;
    let bytes = std::fs::metadata(path).map_err(SqliteError::Unreachable)?.len();
    Ok(Look { tables: tables.unsigned_abs(), bytes, wal: sqlite_reader::wal(path) })
}

/// `tables` is the most there were before.
fn judge(look: Look, tables: u64, last_wal: Option<u64>, max_wal: u64) -> Seen {
    let size = words::bytes(look.bytes);
    let samples = [("steady_sqlite_wal_bytes", look.wal.unwrap_or(0)), ("steady_sqlite_bytes", look.bytes)];
    let seen = if look.tables == 0 && tables > 0 {
        Seen::fact(Status::Fail, format!("it has no table any more; it had {tables}"))
    } else if look.tables == 0 && look.bytes > 0 && look.wal.is_none() {
        let why = "what was written may have been in a -wal that is not there any more";
        Seen::new(Status::Warn, format!("{size}, but it has no table; {why}"))
            .so("Bring the -wal back beside it, or restore the newest verified backup")
    } else if look.tables == 0 {
        Seen::new(Status::Warn, "it has no table yet").so("Start the program that fills it")
    } else {
        let wal = look.wal.unwrap_or(0);
        let tables = if look.tables == 1 { "1 table".to_owned() } else { format!("{} tables", look.tables) };
        let told = format!("{tables}, {size}, -wal {}", words::bytes(wal));
        if wal > max_wal {
            let grown = wal.saturating_sub(last_wal.unwrap_or(wal));
            let grown =
                if grown > 0 { format!(", {} more than before", words::bytes(grown)) } else { String::new() };
            let why = "no checkpoint takes it back: a reader may hold it for long";
            Seen::new(Status::Warn, format!("{told}{grown}, beyond {}; {why}", words::bytes(max_wal)))
        } else {
            Seen::new(Status::Pass, told)
        }
    };
    let samples = samples.map(|(metric, n)| Sample {
        metric: metric.to_owned(),
        labels: std::collections::BTreeMap::new(),
        value: float(n),
    });
    Seen { samples: samples.into(), ..seen }.measuring(float(look.bytes + look.wal.unwrap_or(0)), "bytes")
}

impl Deep {
    /// Begins one when it is due; says whether it did.
    fn begin(&mut self, path: &Path, every: Duration, now: AwakeInstant) -> bool {
        let due = self.found.as_ref().is_none_or(|(at, whole)| {
            let every = if *whole == Whole::Sound { every } else { every.min(AGAIN) };
            now.since(at.awake) >= every
        });
        if !due || self.running.is_some() {
            return false;
        }
        let (send, receive) = oneshot::channel();
        let path = path.to_owned();
        let begun = threads::run(Box::new(move || {
            let _ = send.send(whole(&path));
        }));
        self.running = begun.is_ok().then_some(receive);
        self.running.is_some()
    }

    /// For a moment. Cancel-safe.
    async fn wait(&mut self) {
        let Some(running) = &mut self.running else { return };
        if let Ok(Ok(whole)) = timeout(FIRST, running).await {
            (self.running, self.found) = (None, Some((steady_clock::now(), whole)));
        }
    }

    fn collect(&mut self, now: Now) {
        let Some(running) = &mut self.running else { return };
        match running.try_recv() {
            Ok(whole) => (self.running, self.found) = (None, Some((now, whole))),
            Err(oneshot::error::TryRecvError::Closed) => self.running = None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
    }

    fn told(&self, seen: Seen, now: Now) -> Seen {
        let Some((at, whole)) = &self.found else { return seen };
        let ago = words::ago(now.awake.since(at.awake));
        let was = seen.evidence.clone();
        match whole {
            Whole::Sound => Seen { evidence: format!("{was}; whole {ago}"), ..seen },
            Whole::Damaged(what) => Seen {
                status: Status::Fail,
                fact: true,
                evidence: format!("it is damaged, seen {ago}: {what} ({was})"),
                ..seen
            },
            Whole::Unfinished(limit) => {
                let limit = words::span(*limit);
                Seen { evidence: format!("{was}; the check of the whole was given up after {limit}"), ..seen }
            }
            Whole::Refused(why) => {
                Seen { evidence: format!("{was}; the check of the whole did not begin: {why}"), ..seen }
            }
        }
    }
}

/// `quick_check` also asks each FTS5 table whether its index is whole.
fn whole(path: &Path) -> Whole {
    let begun = steady_clock::now().awake;
    let refused = |e: SqliteError| match e {
        SqliteError::Damaged(what) => Whole::Damaged(what),
        e => Whole::Refused(e.to_string()),
    };
    let mut db = match sqlite_reader::open(path) {
        Ok(db) => db,
        Err(e) => return refused(e),
    };
    let limit = if sqlite_reader::wal(path).is_some() { LONGEST } else { LONGEST_ALONE };
    let late = move || steady_clock::now().awake.since(begun) > limit;
    if let Err(e) = db.progress_handler(STEPS, Some(late)) {
        return refused(e.into());
    }
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(word) if word == "ok" => Whole::Sound,
        Ok(what) => Whole::Damaged(one_line(&what, SHOWN)),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            Whole::Unfinished(limit)
        }
        Err(e) => refused(e.into()),
    }
}
