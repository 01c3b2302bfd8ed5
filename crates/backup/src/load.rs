//! Dumps of PostgreSQL tried out: loaded into a scratch database, counted, and dropped.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steady_model::backup::TableRows;
use steady_model::words;

use crate::dump::{DumpError, DumpRequest, Sink, contents, one_line, pg_restore};
use crate::error::BackupError;
use crate::events::Events;
use crate::manifest::{Dump, RowsAtCut};
use crate::psql::Session;
use crate::repository::Contents;
use crate::verify;

/// Databases whose names begin so are ours; nothing else is ever dropped.
pub(crate) const MARK: &str = "steady_drill_";
/// A drill is about the data: who owns it and what is published of it is another server's business, and what only
/// a superuser may set would fail it.
const OPTIONS: [&str; 9] = [
    "--single-transaction",
    "--exit-on-error",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
];

/// A dump, and the scratch database that it is loaded into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// Where the scratch database is made, under the name of the dump. Its own database is only connected to.
    pub server: DumpRequest,
    pub database: String,
}

/// How it went with one dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedDump {
    /// Of the dump.
    pub name: String,
    pub took_ms: u64,
    /// What was loaded and how long its steps took, or why it was not.
    pub outcome: Result<String, String>,
    /// The scratch database is gone.
    pub dropped: bool,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Program(#[from] DumpError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the point holds no dump of it; back up again")]
    Absent,
    #[error("the dump in the point is not what was written: {bytes} bytes with the hash {sha256}")]
    Damaged { bytes: u64, sha256: String },
    #[error(
        "the role {role} may not create the database of a drill; let an administrator run \
         `ALTER ROLE {role} CREATEDB`, or name another server by `backup.postgres.{name}.drill_url`"
    )]
    NoRight { role: String, name: String },
    #[error(
        "the dump needs the extension {extension}, which the server of the drill does not have; install it there, \
         or name a server that has it by `backup.postgres.{name}.drill_url`"
    )]
    NoExtension { extension: String, name: String },
    #[error("the loaded dump differs from what was there at the cut: {0}")]
    Differs(String),
}

/// Loads each; one that fails keeps no other from being tried.
pub(crate) fn load_all(
    point: &Contents,
    id: &str,
    requests: &[LoadRequest],
    scratch: &Path,
    events: &Events,
) -> Result<Vec<LoadedDump>, BackupError> {
    let manifest = verify::manifest(point, id)?;
    let one = |request: &LoadRequest| {
        let name = &request.server.name;
        let began = steady_clock::now().awake;
        let dump = manifest.dumps.iter().find(|d| d.name == *name).ok_or(LoadError::Absent);
        let loaded = dump.and_then(|dump| {
            events.phase("loading the dumps of PostgreSQL", dump.bytes);
            let file = scratch.join("drilled.dump");
            extract(point, id, dump, &file, events)?;
            load(request, dump, &file)
        });
        let dropped = drop_database(request);
        let outcome = match (loaded, &dropped) {
            (Ok(said), Ok(())) => Ok(said),
            (Ok(_), Err(error)) => Err(format!("{} could not be dropped: {error}", request.database)),
            (Err(error), _) => Err(error.to_string()),
        };
        let took = steady_clock::now().awake.since(began);
        LoadedDump {
            name: name.clone(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome: outcome.map_err(|why| one_line(&why)),
            dropped: dropped.is_ok(),
        }
    };
    Ok(requests.iter().map(one).collect())
}

fn extract(point: &Contents, id: &str, dump: &Dump, to: &Path, events: &Events) -> Result<(), LoadError> {
    let mut file = std::fs::File::create(to).map_err(BackupError::io("write", to))?;
    let mut sink = Sink::new(&mut file, |bytes| events.advance(bytes));
    point.read_file(id, &dump.place(), &mut sink)?;
    let (bytes, sha256) = sink.written();
    if (bytes, &sha256) == (dump.bytes, &dump.sha256) {
        return Ok(());
    }
    Err(LoadError::Damaged { bytes, sha256 })
}

fn load(request: &LoadRequest, dump: &Dump, file: &Path) -> Result<String, LoadError> {
    let LoadRequest { server, database } = request;
    let since = steady_clock::now().awake;
    create(request, &extensions(&contents(&server.program, file)?))?;
    let target = DumpRequest { url: with_database(&server.url, database), ..server.clone() };
    pg_restore(&server.program, file, |command| {
        command.args(OPTIONS).args(["--no-password", "--dbname"]).arg(&target.url);
        command.envs(target.passfile.as_ref().map(|file| ("PGPASSFILE", file)))
    })?;
    let loaded = steady_clock::now().awake;
    let rows = Session::open(&target)?.rows()?;
    let compared = match &dump.rows {
        RowsAtCut::Counted(at_cut) => match difference(at_cut, &rows) {
            None => "as at the cut".to_owned(),
            Some(difference) => return Err(LoadError::Differs(difference)),
        },
        RowsAtCut::Uncounted(why) => format!("not compared, they were not counted at the cut ({why})"),
        RowsAtCut::Unknown => "not compared, an older Steady did not count them".to_owned(),
    };
    let (load, count) = (loaded.since(since), steady_clock::now().awake.since(loaded));
    let total: u64 = rows.iter().map(|t| t.rows).sum();
    let tables = if rows.len() == 1 { "table" } else { "tables" };
    Ok(format!(
        "{}: {} {tables}, {total} rows, {compared}; loaded in {}, counted in {}",
        dump.name,
        rows.len(),
        span(load),
        span(count)
    ))
}

fn span(took: Duration) -> String {
    if took < Duration::from_secs(1) { format!("{} ms", took.as_millis()) } else { words::span(took) }
}

/// An empty database in the encoding and the locale of the one that is connected to.
fn create(request: &LoadRequest, needed: &[String]) -> Result<(), LoadError> {
    let LoadRequest { server, database } = request;
    let name = server.name.clone();
    let mut session = Session::open(server)?;
    let right =
        "SELECT rolname FROM pg_roles WHERE rolname = current_user AND NOT (rolcreatedb OR rolsuper);";
    if let Some(role) = session.ask(right)?.pop() {
        return Err(LoadError::NoRight { role, name });
    }
    let has = session.ask("SELECT DISTINCT name FROM pg_available_extensions;")?;
    if let Some(extension) = needed.iter().find(|needed| !has.contains(needed)) {
        return Err(LoadError::NoExtension { extension: extension.clone(), name });
    }
    session.ask(&format!(
        "SELECT format('CREATE DATABASE {database} TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
            pg_encoding_to_char(encoding), datcollate, datctype)
         FROM pg_database WHERE datname = current_database() \\gexec"
    ))?;
    Ok(())
}

/// Also one that was never made, or that a program that was killed has not left yet.
pub(crate) fn drop_database(request: &LoadRequest) -> Result<(), DumpError> {
    let LoadRequest { server, database } = request;
    if !is_ours(database) {
        // It stays, and so does its entry in the journal.
        return Err(DumpError::NotOurs { database: database.clone() });
    }
    let mut session = Session::open(server)?;
    session.ask(&format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}';"
    ))?;
    session.ask(&format!("SET client_min_messages = error; DROP DATABASE IF EXISTS {database};"))?;
    Ok(())
}

/// Why each of them is still there, by database; `None` when it is gone.
pub(crate) fn drop_all(left: &[LoadRequest]) -> BTreeMap<String, Option<String>> {
    let one = |request: &LoadRequest| {
        let why = drop_database(request).err().map(|error| one_line(&error.to_string()));
        (request.database.clone(), why)
    };
    left.iter().map(one).collect()
}

/// Such names need no quotes either.
fn is_ours(database: &str) -> bool {
    let rest = database.strip_prefix(MARK).unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// The same server, another database: what is asked for last counts for libpq.
fn with_database(url: &str, database: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}dbname={database}")
}

/// `2; 3079 16384 EXTENSION - vector `
fn extensions(listing: &str) -> Vec<String> {
    let lines = listing.lines().filter(|line| !line.starts_with(';'));
    let names =
        lines.filter_map(|line| line.split_once(" EXTENSION - ").map(|(_, name)| name.trim().to_owned()));
    names.collect()
}

/// The first table that is not as it was.
fn difference(at_cut: &[TableRows], loaded: &[TableRows]) -> Option<String> {
    let of = |list: &[TableRows], table: &str| list.iter().find(|t| t.table == table).map(|t| t.rows);
    let lost = at_cut.iter().find_map(|then| match of(loaded, &then.table) {
        Some(rows) if rows == then.rows => None,
        Some(rows) => Some(format!("table {}: {} rows then, {rows} now", then.table, then.rows)),
        None => Some(format!("table {}: {} rows then, no such table now", then.table, then.rows)),
    });
    let added = || loaded.iter().find(|now| of(at_cut, &now.table).is_none());
    lost.or_else(|| added().map(|now| format!("table {}: not there then, {} rows now", now.table, now.rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[(&str, u64)]) -> Vec<TableRows> {
        of.iter().map(|(table, rows)| TableRows { table: (*table).to_owned(), rows: *rows }).collect()
    }

    #[test]
    fn a_table_that_lost_won_or_is_missing_after_a_load_is_named() {
        let then = rows(&[("public.a", 3), ("public.b", 0)]);
        assert_eq!(difference(&then, &then), None);
        let said = |now: &[(&str, u64)]| difference(&then, &rows(now)).unwrap();
        assert_eq!(said(&[("public.a", 2), ("public.b", 0)]), "table public.a: 3 rows then, 2 now");
        assert_eq!(said(&[("public.a", 3)]), "table public.b: 0 rows then, no such table now");
        let more = said(&[("public.a", 3), ("public.b", 0), ("c.d", 1)]);
        assert_eq!(more, "table c.d: not there then, 1 rows now");
    }

    #[test]
    fn only_a_database_with_our_mark_is_ever_dropped() {
        assert!(is_ours("steady_drill_01kat3m8q5w1"));
        for other in [
            "pkg",
            "steady_drill_",
            "steady_drill_x; DROP DATABASE pkg",
            "Steady_drill_1",
            "a steady_drill_1",
        ] {
            assert!(!is_ours(other), "{other}");
            let server = DumpRequest {
                name: "pkg".into(),
                url: "postgres://ada@127.0.0.1:1/pkg".into(),
                program: vec!["/nowhere/pg_dump".into()],
                passfile: None,
            };
            let error = drop_database(&LoadRequest { server, database: other.into() }).unwrap_err();
            assert!(matches!(error, DumpError::NotOurs { .. }), "{error}");
        }
    }

    #[test]
    fn extensions_are_read_from_the_table_of_contents_and_their_comments_are_none() {
        let listing =
            "; EXTENSION - no\n2; 3079 16390 EXTENSION - uuid-ossp \n3370; 0 0 COMMENT - EXTENSION x \n";
        assert_eq!(extensions(listing), ["uuid-ossp"]);
    }

    #[test]
    fn a_scratch_database_is_asked_for_at_the_same_server() {
        assert_eq!(with_database("postgres://a@h:1/pkg", "x"), "postgres://a@h:1/pkg?dbname=x");
        assert_eq!(
            with_database("postgres://a@h/p?sslmode=require", "x"),
            "postgres://a@h/p?sslmode=require&dbname=x"
        );
    }
}
