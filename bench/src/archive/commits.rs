//! A program that never stops writing: five databases, one commit after another, and what a copy of them is worth.
//!
//! Commit `n` goes to each database in turn, so at any one moment the counters fall from the first database to the
//! last by at most one: a copy in which they do not shows no moment that ever was.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rusqlite::{Connection, params};

use super::corpus::Chance;
use crate::clock::{Moment, pause, wait_until};

pub const DATABASES: usize = 5;
pub const RATE: u64 = 500;
/// Bytes of a row.
const ROW: usize = 1000;
const AT_ONCE: u64 = 1000;
const UP: Duration = Duration::from_secs(20);
/// A commit and how long it took, both `u64` nanoseconds.
const RECORD: usize = 16;

fn database(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("store-{number}.db"))
}

/// Databases of `megabytes` together.
pub fn make(folder: &Path, megabytes: u64) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut chance = Chance::new(0xc0);
    let rows = megabytes * 1_000_000 / DATABASES as u64 / ROW as u64;
    for number in 0..DATABASES {
        let db = Connection::open(database(folder, number))?;
        db.execute_batch(
            "PRAGMA journal_mode=wal; PRAGMA synchronous=off;
             CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES (0);
             CREATE TABLE item(id INTEGER PRIMARY KEY, mark INTEGER, body BLOB); CREATE INDEX marks ON item(mark)",
        )?;
        let mut left = rows;
        while left > 0 {
            db.execute_batch("BEGIN")?;
            for _ in 0..AT_ONCE.min(left) {
                let mut insert = db.prepare_cached("INSERT INTO item(mark, body) VALUES (?1, ?2)")?;
                insert.execute(params![chance.below(1 << 40).cast_signed(), chance.bytes(ROW)])?;
            }
            db.execute_batch("COMMIT")?;
            left -= AT_ONCE.min(left);
        }
        db.close().map_err(|(_, error)| error)?;
    }
    Ok(())
}

/// The hidden command: commits at `RATE` until it is killed, and notes when each began and how long it took.
pub fn commit_for_ever(folder: &Path, notes: &Path) -> anyhow::Result<()> {
    let mut stores = Vec::new();
    for number in 0..DATABASES {
        let db = Connection::open(database(folder, number))?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "synchronous", "normal")?;
        let rows: i64 = db.query_row("SELECT max(id) FROM item", [], |row| row.get(0))?;
        stores.push((db, rows.unsigned_abs()));
    }
    let mut chance = Chance::new(0xc1);
    let mut notes = BufWriter::new(File::create(notes)?);
    let step = Duration::from_nanos(1_000_000_000 / RATE);
    let mut due = Moment::now();
    for commit in 1_i64.. {
        for (db, rows) in &stores {
            let begun = Moment::now();
            if begun < due {
                pause(due.since(begun));
            }
            due = Moment(due.0 + u64::try_from(step.as_nanos())?);
            let begun = Moment::now();
            db.execute_batch("BEGIN IMMEDIATE")?;
            db.prepare_cached("UPDATE counter SET n = ?1")?.execute([commit])?;
            let mut update = db.prepare_cached("UPDATE item SET mark = ?2, body = ?3 WHERE id = ?1")?;
            let row = (chance.below(*rows) + 1).cast_signed();
            update.execute(params![row, chance.below(1 << 40).cast_signed(), chance.bytes(ROW)])?;
            db.execute_batch("COMMIT")?;
            notes.write_all(&begun.0.to_ne_bytes())?;
            notes.write_all(&u64::try_from(Moment::now().since(begun).as_nanos())?.to_ne_bytes())?;
        }
        notes.flush()?;
    }
    Ok(())
}

/// The program, ended with its value.
pub struct Writer {
    child: Child,
    notes: PathBuf,
}

impl Writer {
    pub fn start(folder: &Path, notes: PathBuf) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("commits").arg(folder).arg(&notes).stdin(Stdio::null());
        let writer = Self { child: command.spawn().context("cannot start the writer")?, notes };
        ensure!(wait_until(UP, || !writer.commits().unwrap_or_default().is_empty()), "nothing is committed");
        Ok(writer)
    }

    /// When each commit began, and the milliseconds it took.
    pub fn commits(&self) -> anyhow::Result<Vec<(Moment, f64)>> {
        let bytes = fs::read(&self.notes)?;
        let number = |bytes: &[u8]| Some(u64::from_ne_bytes(bytes.try_into().ok()?));
        let records = bytes.chunks_exact(RECORD).filter_map(|record| {
            let (at, took) = record.split_at_checked(RECORD / 2)?;
            Some((Moment(number(at)?), Duration::from_nanos(number(took)?).as_secs_f64() * 1e3))
        });
        Ok(records.collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a copy of the databases is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    Whole,
    /// A database that cannot be opened, or is corrupt.
    Torn,
    /// Each is whole, and they show different moments.
    Skewed,
}

pub fn judge(copy: &Path) -> Worth {
    let counters: Result<Vec<i64>, ()> =
        (0..DATABASES).map(|number| counter(&database(copy, number)).ok().flatten().ok_or(())).collect();
    let Ok(counters) = counters else { return Worth::Torn };
    let falls = counters.is_sorted_by(|earlier, later| earlier >= later);
    let (first, last) =
        (counters.first().copied().unwrap_or_default(), counters.last().copied().unwrap_or_default());
    if falls && first - last <= 1 { Worth::Whole } else { Worth::Skewed }
}

/// `None` when the database is corrupt.
fn counter(path: &Path) -> anyhow::Result<Option<i64>> {
    ensure!(path.is_file(), "{} is missing", path.display());
    let db = Connection::open(path)?;
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let count = db.query_row("SELECT n FROM counter", [], |row| row.get(0))?;
    Ok((verdict == "ok").then_some(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(folder: &Path, counters: [i64; DATABASES]) {
        for (number, count) in counters.into_iter().enumerate() {
            let db = Connection::open(database(folder, number)).unwrap();
            db.execute("UPDATE counter SET n = ?1", [count]).unwrap();
        }
    }

    #[test]
    fn a_copy_of_no_single_moment_and_a_torn_one_are_known() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), 1).unwrap();
        assert_eq!(judge(dir.path()), Worth::Whole);
        set(dir.path(), [8, 8, 7, 7, 7]);
        assert_eq!(judge(dir.path()), Worth::Whole);
        set(dir.path(), [7, 8, 7, 7, 7]);
        assert_eq!(judge(dir.path()), Worth::Skewed);
        set(dir.path(), [9, 8, 8, 7, 7]);
        assert_eq!(judge(dir.path()), Worth::Skewed);
        set(dir.path(), [7, 7, 7, 7, 7]);
        let torn = database(dir.path(), 3);
        let mut bytes = fs::read(&torn).unwrap();
        for page in bytes.chunks_mut(4096).skip(1).step_by(3) {
            page.fill(0xff);
        }
        fs::write(torn, bytes).unwrap();
        assert_eq!(judge(dir.path()), Worth::Torn);
    }
}
