//! Dumps of PostgreSQL databases: by `pg_dump`, called good only when `pg_restore` read all of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steady_model::time::WallTime;
use tempfile::TempPath;

use crate::capture::Dumps;
use crate::manifest::{DUMPS, Dump, Omission, RowsAtCut, hex};
use crate::psql::HeldSnapshot;

/// One database to dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpRequest {
    /// Names the dump in the restore point.
    pub name: String,
    /// Without a password.
    pub url: String,
    /// `pg_dump`, and what stands before it.
    pub program: Vec<String>,
    /// A private file in the form of `.pgpass`.
    pub passfile: Option<PathBuf>,
}

/// The custom format begins so.
const MAGIC: &[u8] = b"PGDMP";
/// Uncompressed, so that the repository finds what is the same as yesterday, and compresses it itself. A table that
/// is locked for longer than this is a failure, not a backup that never ends.
const OPTIONS: [&str; 4] = ["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=60s"];
const LAST_WORDS: usize = 600;

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DumpError {
    #[error(
        "{program} cannot be started: {source}; install PostgreSQL's client programs or name them by `program`"
    )]
    Start { program: String, source: io::Error },
    #[error("{program} failed ({status}): {said}")]
    Failed { program: String, status: ExitStatus, said: String },
    #[error("{program} succeeded and wrote no dump ({bytes} bytes)")]
    Empty { program: String, bytes: u64 },
    #[error("the dump cannot be kept: {0}")]
    Keep(io::Error),
    #[error("{program} answered {line:?}, which cannot be understood")]
    Answer { program: String, line: String },
    #[error("the database {database} is none that a drill made; it stays")]
    NotOurs { database: String },
    #[error("`program` is empty")]
    NoProgram,
}

/// Dumps all; one that fails is named, and the others go on.
pub(crate) fn dump_all(requests: &[DumpRequest], scratch: &Path, on_bytes: impl Fn(u64)) -> Dumps {
    let mut dumps = Dumps::default();
    for request in requests {
        match dump(request, scratch, &on_bytes) {
            Ok((dump, copy)) => dumps.whole.push((dump, Arc::new(copy))),
            Err(error) => {
                let place = Path::new(DUMPS).join(&request.name);
                dumps.failed.push(Omission::new(&place, one_line(&error.to_string())));
            }
        }
    }
    dumps.whole.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    dumps
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn dump(
    request: &DumpRequest,
    scratch: &Path,
    on_bytes: impl Fn(u64),
) -> Result<(Dump, TempPath), DumpError> {
    let taken = steady_clock::now().wall;
    let partial = tempfile::Builder::new().prefix("dump-").suffix(".partial").tempfile_in(scratch);
    let mut partial = partial.map_err(DumpError::Keep)?;
    let mut command = program(&request.program)?;
    command.args(OPTIONS).arg("--dbname").arg(&request.url).stdin(Stdio::null());
    // Who cannot count can still dump: the reason is kept, and why there is no connection is `pg_dump`'s to say.
    let held = HeldSnapshot::take(request);
    if let Ok(held) = &held {
        command.arg("--snapshot").arg(&held.id);
    }
    if let Some(passfile) = &request.passfile {
        command.env("PGPASSFILE", passfile);
    }
    let shown = request.program.join(" ");
    let mut sink = Sink::new(partial.as_file_mut(), on_bytes);
    run(&shown, command, &mut sink)?;
    let (bytes, sha256) = sink.written();
    let begins = File::open(partial.path()).and_then(|f| {
        let mut begins = Vec::new();
        f.take(MAGIC.len() as u64).read_to_end(&mut begins).map(|_| begins)
    });
    if begins.map_err(DumpError::Keep)? != MAGIC {
        return Err(DumpError::Empty { program: shown, bytes });
    }
    let listing = listing(&request.program, partial.path())?;
    let whole = partial.into_temp_path();
    let rows = match held.and_then(HeldSnapshot::rows) {
        Ok(rows) => RowsAtCut::Counted(rows),
        Err(error) => RowsAtCut::Uncounted(one_line(&error.to_string())),
    };
    let dump = Dump { name: request.name.clone(), bytes, sha256, rows, ..parse(&listing, taken) };
    Ok((dump, whole))
}

/// The table of contents; all data behind it was read too, for a dump that was cut off has a whole one.
fn listing(dump_program: &[String], dump: &Path) -> Result<String, DumpError> {
    pg_restore(dump_program, dump, |command| command.arg("--file=/dev/null"))?;
    contents(dump_program, dump)
}

/// The table of contents of a dump.
pub(crate) fn contents(dump_program: &[String], dump: &Path) -> Result<String, DumpError> {
    pg_restore(dump_program, dump, |command| command.arg("--list"))
}

/// What `pg_restore` says to a dump on its input.
pub(crate) fn pg_restore(
    dump_program: &[String],
    dump: &Path,
    asked: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<String, DumpError> {
    let words = beside(dump_program, "pg_restore");
    let mut command = program(&words)?;
    asked(command.stdin(File::open(dump).map_err(DumpError::Keep)?));
    let mut said = Vec::new();
    run(&words.join(" "), command, &mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// The program of this name that lies where `pg_dump` lies.
pub(crate) fn beside(dump_program: &[String], name: &str) -> Vec<String> {
    let of = |word: &String| match word.rsplit_once('/') {
        Some((folder, "pg_dump")) => format!("{folder}/{name}"),
        None if word == "pg_dump" => name.to_owned(),
        _ => word.clone(),
    };
    dump_program.iter().map(of).collect()
}

pub(crate) fn program(words: &[String]) -> Result<Command, DumpError> {
    let (first, rest) = words.split_first().ok_or(DumpError::NoProgram)?;
    let mut command = Command::new(first);
    command.args(rest).env("PGAPPNAME", "steady").env("PGCONNECT_TIMEOUT", "15").env("LC_ALL", "C");
    Ok(command)
}

/// Through a pipe: a program whose reader died ends too.
fn run(shown: &str, mut command: Command, into: &mut dyn Write) -> Result<(), DumpError> {
    let start = |source| DumpError::Start { program: shown.to_owned(), source };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let words = last_words(&mut child);
    let copied = match child.stdout.take() {
        Some(mut stdout) => io::copy(&mut stdout, into).map(drop),
        None => Ok(()),
    };
    if copied.is_err() {
        // Nobody reads it any more; its own complaint about that is not the reason.
        let _ = child.kill();
    }
    let status = child.wait().map_err(DumpError::Keep)?;
    copied.map_err(DumpError::Keep)?;
    let said = words.and_then(|w| w.join().ok()).unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    Err(DumpError::Failed { program: shown.to_owned(), status, said })
}

pub(crate) fn last_words(child: &mut Child) -> Option<JoinHandle<String>> {
    let mut stderr = child.stderr.take()?;
    Some(std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
            let excess = kept.len().saturating_sub(LAST_WORDS);
            kept.drain(..excess);
        }
        String::from_utf8_lossy(&kept).trim().to_owned()
    }))
}

/// What `pg_restore --list` says; name and bytes are the caller's.
fn parse(listing: &str, taken: WallTime) -> Dump {
    let told = |key: &str| {
        let line = listing.lines().find_map(|l| l.trim_start_matches([';', ' ']).strip_prefix(key));
        line.unwrap_or_default().trim().to_owned()
    };
    let mut tables: Vec<String> = listing.lines().filter(|l| !l.starts_with(';')).filter_map(table).collect();
    tables.sort();
    Dump {
        name: String::new(),
        taken,
        bytes: 0,
        sha256: String::new(),
        server_version: told("Dumped from database version:"),
        database: told("dbname:"),
        tables,
        rows: RowsAtCut::Unknown,
    }
}

/// `3374; 0 16386 TABLE DATA public my table owner` → `public.my table`.
fn table(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(" TABLE DATA ")?;
    let (schema, rest) = rest.split_once(' ')?;
    let (table, _owner) = rest.rsplit_once(' ')?;
    Some(format!("{schema}.{table}"))
}

/// Counts and hashes on the way to the file.
pub(crate) struct Sink<'a, F> {
    file: &'a mut File,
    bytes: u64,
    hash: Sha256,
    on_bytes: F,
}

impl<'a, F: Fn(u64)> Sink<'a, F> {
    pub(crate) fn new(file: &'a mut File, on_bytes: F) -> Self {
        Self { file, bytes: 0, hash: Sha256::new(), on_bytes }
    }

    /// How many bytes, and their hash.
    pub(crate) fn written(self) -> (u64, String) {
        (self.bytes, hex(&self.hash.finalize()))
    }
}

impl<F: Fn(u64)> Write for Sink<'_, F> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buf)?;
        self.hash.update(buf.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        (self.on_bytes)(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A line of a `.pgpass` file that fits any server: the dump connects to one only.
pub(crate) fn passfile_line(password: &[u8]) -> Vec<u8> {
    let mut line = b"*:*:*:*:".to_vec();
    for byte in password {
        if matches!(byte, b':' | b'\\') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_says_the_server_the_database_and_the_tables_with_data() {
        let listing = ";\n; Archive created at 2026-11-23 13:00:00 UTC\n;     dbname: pkg\n;     Format: CUSTOM\n\
             ;     Dumped from database version: 15.14 (Debian)\n;\n; Selected TOC Entries:\n;\n\
             215; 1259 16386 TABLE public outbox pkg\n\
             3374; 0 16390 TABLE DATA public outbox pkg\n3375; 0 16391 TABLE DATA a my table pkg\n";
        let dump = parse(listing, steady_clock::now().wall);
        assert_eq!((dump.database.as_str(), dump.server_version.as_str()), ("pkg", "15.14 (Debian)"));
        assert_eq!(dump.tables, ["a.my table", "public.outbox"]);
    }

    #[test]
    fn a_password_with_the_signs_of_a_passfile_is_written_so_that_libpq_reads_it() {
        assert_eq!(passfile_line(br"a:b\c"), *b"*:*:*:*:a\\:b\\\\c\n");
    }

    #[test]
    fn pg_restore_and_psql_are_taken_from_where_pg_dump_is() {
        let of = |words: &[&str], name| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            beside(&words, name)
        };
        assert_eq!(of(&["pg_dump"], "pg_restore"), ["pg_restore"]);
        let container = ["docker", "exec", "-i", "my_pg_dump", "/bin/pg_dump"];
        assert_eq!(of(&container, "psql")[3..], ["my_pg_dump", "/bin/psql"]);
    }
}
