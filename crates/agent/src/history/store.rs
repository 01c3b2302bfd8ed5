//! The history's database: `history.db` in the home. SQLite, so that people can ask it their own questions.
//!
//! Format 1, in `user_version`. Times are milliseconds since 1970 (UTC). One open row (`until` null) per subject.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use steady_model::history::{Absence, Gap, HistoryPage, Interval, Lived, lay_over};
use steady_model::time::WallTime;

use super::recorder::Change;

const FORMAT: i64 = 1;
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Beyond this many the oldest go, however young they are: something flaps.
const ROWS: i64 = 200_000;
/// By how much a prune may be ahead of the last one: a clock that is wrong by a year takes no year away.
const PRUNE_STEP: Duration = Duration::from_secs(2 * 86_400);
const SLEEPS_SHOWN: i64 = 10_000;
const BUSY: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
    CREATE TABLE interval (
        id INTEGER PRIMARY KEY,
        subject TEXT NOT NULL,
        status TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        sentence TEXT NOT NULL
    );
    CREATE INDEX interval_subject ON interval (subject, since);
    CREATE INDEX interval_open ON interval (subject) WHERE until IS NULL;
    CREATE INDEX interval_until ON interval (until);
    CREATE TABLE gap (since INTEGER NOT NULL, until INTEGER NOT NULL, cause TEXT NOT NULL);
    CREATE INDEX gap_until ON gap (until);
    CREATE TABLE agent (alive INTEGER NOT NULL, pruned INTEGER NOT NULL);
    PRAGMA user_version = 1;";

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the history in {} cannot be {doing}: {source}", path.display())]
    Database { path: PathBuf, doing: &'static str, source: rusqlite::Error },
    #[error(
        "the history in {} is of format {found}, and this Steady knows {FORMAT}; move it away to begin a new one",
        path.display()
    )]
    Format { path: PathBuf, found: i64 },
    #[error("reading the history broke off; ask again")]
    BrokeOff,
    #[error("nothing with the name {subject} has a history; those that have: {}", known.join(", "))]
    NoSubject { subject: String, known: Vec<String> },
}

fn failed<'a>(path: &'a Path, doing: &'static str) -> impl Fn(rusqlite::Error) -> HistoryError + use<'a> {
    move |source| HistoryError::Database { path: path.to_owned(), doing, source }
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Change(Change),
    Slept { from: WallTime, to: WallTime },
}

pub struct Store {
    db: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens or makes it for an agent that began at `started`, and closes what the agent before left open when it
    /// was last known to live.
    pub fn open(path: &Path, started: WallTime) -> Result<Self, HistoryError> {
        let mut db = Connection::open(path).map_err(failed(path, "opened"))?;
        let found = prepare(&mut db, started).map_err(failed(path, "opened"))?;
        if found != FORMAT {
            return Err(HistoryError::Format { path: path.to_owned(), found });
        }
        let mut store = Self { db, path: path.to_owned() };
        store.within(|t| close_left_open(t, started))?;
        Ok(store)
    }

    /// Writes all or nothing. `alive` is now.
    pub fn write(&mut self, entries: &[Entry], alive: WallTime) -> Result<(), HistoryError> {
        self.within(|t| {
            for entry in entries {
                match entry {
                    Entry::Change(change) => write_change(t, change)?,
                    Entry::Slept { from, to } => write_gap(t, *from, *to, Absence::Asleep)?,
                }
            }
            t.execute("UPDATE agent SET alive = ?1", [millis(alive)])?;
            Ok(())
        })
    }

    /// Takes away what is older than it is kept.
    pub fn prune(&mut self, now: WallTime) -> Result<(), HistoryError> {
        self.within(|t| {
            let last: i64 = t.query_row("SELECT pruned FROM agent", [], |row| row.get(0))?;
            let now = millis(now).min(last.saturating_add(whole_millis(PRUNE_STEP)));
            let oldest = now.saturating_sub(whole_millis(KEPT));
            t.execute("DELETE FROM interval WHERE until < ?1", [oldest])?;
            t.execute("DELETE FROM gap WHERE until < ?1", [oldest])?;
            t.execute(
                "DELETE FROM interval WHERE until IS NOT NULL
                    AND id <= (SELECT id FROM interval ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                [ROWS],
            )?;
            t.execute("UPDATE agent SET pruned = ?1", [now])?;
            Ok(())
        })
    }

    fn within(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let done = self.db.transaction().and_then(|t| {
            work(&t)?;
            t.commit()
        });
        done.map_err(failed(&self.path, "written"))
    }
}

/// The format that it has then.
fn prepare(db: &mut Connection, started: WallTime) -> rusqlite::Result<i64> {
    db.busy_timeout(BUSY)?;
    let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let found = version(db)?;
    if found > 0 {
        // A format of a later day is not touched.
        if found == FORMAT {
            tune(db)?;
        }
        return Ok(found);
    }
    tune(db)?;
    let t = db.transaction()?;
    t.execute_batch(SCHEMA)?;
    t.execute("INSERT INTO agent VALUES (?1, ?1)", [millis(started)])?;
    t.commit()?;
    version(db)
}

fn tune(db: &Connection) -> rusqlite::Result<()> {
    // A power cut may take the last seconds, never the file.
    db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    db.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 64; PRAGMA cache_size = -256")
}

fn close_left_open(t: &Transaction<'_>, started: WallTime) -> rusqlite::Result<()> {
    let alive: i64 = t.query_row("SELECT alive FROM agent", [], |row| row.get(0))?;
    t.execute("UPDATE interval SET until = max(since, ?1) WHERE until IS NULL", [alive])?;
    write_gap(t, moment(alive), started, Absence::Away)?;
    t.execute("UPDATE agent SET alive = ?1", [millis(started)])?;
    Ok(())
}

/// Ends what the subject was in, and begins what it is in. What began after `at` was dated before the clock was
/// set back: it ends when the agent was last known to live by that clock.
fn write_change(t: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let at = millis(change.at);
    t.prepare_cached(
        "UPDATE interval SET until = CASE WHEN since <= ?2 THEN ?2
            ELSE max(since, (SELECT alive FROM agent)) END WHERE subject = ?1 AND until IS NULL",
    )?
    .execute(params![change.subject, at])?;
    if let Some((status, sentence)) = &change.state {
        t.prepare_cached("INSERT INTO interval (subject, status, since, sentence) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![change.subject, word(*status), at, sentence])?;
    }
    Ok(())
}

fn write_gap(t: &Transaction<'_>, from: WallTime, to: WallTime, cause: Absence) -> rusqlite::Result<()> {
    if from < to {
        let cause = match cause {
            Absence::Asleep => "asleep",
            Absence::Away => "away",
        };
        t.execute("INSERT INTO gap VALUES (?1, ?2, ?3)", params![millis(from), millis(to), cause])?;
    }
    Ok(())
}

/// What is read: of `subject` (or the only one with that name) whatever overlaps `since` to `until`, the newest
/// `limit` changes.
pub struct Span {
    pub subject: String,
    pub since: WallTime,
    pub until: WallTime,
    pub limit: u32,
}

/// Reads beside the writer, which it never delays.
pub fn read(path: &Path, span: &Span) -> Result<HistoryPage, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(BUSY)?;
        Ok(db)
    });
    let db = opened.map_err(failed(path, "read"))?;
    let subjects = subjects(&db).map_err(failed(path, "read"))?;
    let Some(subject) = resolve(&span.subject, &subjects) else {
        return Err(HistoryError::NoSubject { subject: span.subject.clone(), known: subjects });
    };
    let (intervals, earlier) = page(&db, &subject, span).map_err(failed(path, "read"))?;
    Ok(HistoryPage { subject, intervals, earlier, subjects })
}

fn resolve(typed: &str, subjects: &[String]) -> Option<String> {
    if subjects.iter().any(|s| s == typed) {
        return Some(typed.to_owned());
    }
    let mut named = subjects.iter().filter(|s| s.split_once(':').is_some_and(|(_, name)| name == typed));
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// By leaps through the index: as many steps as there are subjects.
fn subjects(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut query = db.prepare(
        "WITH RECURSIVE t(s) AS (SELECT min(subject) FROM interval UNION ALL
            SELECT (SELECT min(subject) FROM interval WHERE subject > t.s) FROM t WHERE t.s IS NOT NULL)
         SELECT s FROM t WHERE s IS NOT NULL",
    )?;
    let rows = query.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn page(db: &Connection, subject: &str, span: &Span) -> rusqlite::Result<(Vec<Interval>, Option<WallTime>)> {
    let mut query = db.prepare(
        "SELECT status, since, until, sentence FROM interval
         WHERE subject = ?1 AND since < ?2 AND (until IS NULL OR until > ?3) ORDER BY since DESC, id DESC LIMIT ?4",
    )?;
    let limits = params![subject, millis(span.until), millis(span.since), i64::from(span.limit) + 1];
    let rows = query.query_map(limits, |row| {
        Ok(Interval {
            subject: subject.to_owned(),
            status: lived(&row.get::<_, String>(0)?),
            from: moment(row.get(1)?),
            to: row.get::<_, Option<i64>>(2)?.map(moment),
            sentence: row.get(3)?,
        })
    })?;
    let mut states: Vec<Interval> = rows.collect::<rusqlite::Result<_>>()?;
    let limit = usize::try_from(span.limit).unwrap_or(usize::MAX);
    let more = states.len() > limit;
    states.truncate(limit);
    let Some(oldest) = states.iter().map(|i| i.from).min() else { return Ok((states, None)) };
    let from = if more { oldest } else { oldest.max(span.since) };
    let gaps = gaps(db, from, span.until)?;
    Ok((lay_over(subject, &states, &gaps), more.then_some(oldest)))
}

fn gaps(db: &Connection, from: WallTime, until: WallTime) -> rusqlite::Result<Vec<Gap>> {
    let mut query = db.prepare(
        "SELECT since, until, cause FROM gap WHERE until > ?1 AND since < ?2 ORDER BY until DESC LIMIT ?3",
    )?;
    let rows = query.query_map(params![millis(from), millis(until), SLEEPS_SHOWN], |row| {
        let cause = if row.get::<_, String>(2)? == "asleep" { Absence::Asleep } else { Absence::Away };
        Ok(Gap { cause, from: moment(row.get(0)?), to: moment(row.get(1)?) })
    })?;
    rows.collect()
}

fn word(status: Lived) -> &'static str {
    match status {
        Lived::Pass => "pass",
        Lived::Unknown => "unknown",
        Lived::Warn => "warn",
        Lived::Fail => "fail",
        Lived::Asleep => "asleep",
    }
}

fn lived(word: &str) -> Lived {
    match word {
        "pass" => Lived::Pass,
        "warn" => Lived::Warn,
        "fail" => Lived::Fail,
        "asleep" => Lived::Asleep,
        _ => Lived::Unknown,
    }
}

fn millis(at: WallTime) -> i64 {
    at.0.as_millisecond()
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> WallTime {
    WallTime(Timestamp::from_millisecond(millis).unwrap_or_default())
}
