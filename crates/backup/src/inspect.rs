//! Looks into a database through a connection that somebody else opened for reading.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use steady_model::backup::TableRows;

use crate::manifest::StoreFacts;

/// What a manifest says of a database, as this connection's transaction sees it.
pub(crate) fn facts(db: &Connection, journal_mode: String) -> rusqlite::Result<StoreFacts> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (rows, problem) = match rows(db) {
        Ok(rows) => (rows, None),
        Err(e) => (Vec::new(), Some(reason(&e))),
    };
    Ok(StoreFacts {
        journal_mode,
        page_size: u32::try_from(number("page_size")?).unwrap_or_default(),
        user_version: number("user_version")?,
        application_id: number("application_id")?,
        schema_version: number("schema_version")?,
        rows,
        problem,
    })
}

/// Rows per table, sorted by name. Shadow tables and SQLite's own are left out: their rows are an index's, not
/// a person's. A virtual table whose module is not here cannot be counted and is left out too.
pub(crate) fn rows(db: &Connection) -> rusqlite::Result<Vec<TableRows>> {
    let sql = "SELECT name, type FROM pragma_table_list
               WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
               ORDER BY name";
    let mut tables = db.prepare(sql)?;
    let tables = tables.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut counted = Vec::new();
    for table in tables {
        let (table, kind) = table?;
        let quoted = table.replace('"', "\"\"");
        let count =
            db.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| row.get::<_, i64>(0));
        match count {
            Ok(rows) => counted.push(TableRows { table, rows: rows.unsigned_abs() }),
            Err(_) if kind == "virtual" => {}
            Err(e) => return Err(e),
        }
    }
    Ok(counted)
}

/// Opens a database that nobody else uses, without creating anything beside it.
pub(crate) fn open_image(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    // A restored image in WAL mode has no `-wal`: `immutable` reads it without making one.
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}

/// `ok`, or the first line of what SQLite found.
pub(crate) fn integrity(db: &Connection) -> String {
    let first = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    let text = first.unwrap_or_else(|e| reason(&e));
    text.lines().next().unwrap_or("integrity_check said nothing").to_owned()
}

/// SQLite's reason without the wrapper's words.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    }
}
