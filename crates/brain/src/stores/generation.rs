//! The run which wrote a derived store last, kept in its `meta` table.
//!
//! Equal in the tracker and the index, or one of them is from another time (a crash between two commits,
//! a restored or deleted file) and both must be rebuilt.

use rusqlite::{Connection, OptionalExtension};

pub fn read(db: &Connection) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = 'generation'", [], |row| row.get(0)).optional()
}

pub fn write(db: &Connection, generation: &str) -> rusqlite::Result<()> {
    db.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?1)", [generation])?;
    Ok(())
}
