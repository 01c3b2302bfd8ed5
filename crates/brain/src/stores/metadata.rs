//! `metadata.db`: titles, tags, links and front matter of the notes. Derived from the vault.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::connection::{Origin, Spec};
use crate::note::{self, Note};
use crate::vault::NoteFile;

/// Link targets and tags are compared without regard to ASCII case, as people type them.
pub const SPEC: Spec = Spec {
    file: "metadata.db",
    migrations: &["
        CREATE TABLE notes(
            path TEXT PRIMARY KEY,
            title TEXT NOT NULL,
            mtime_ns INTEGER NOT NULL,
            front TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idx_notes_mtime ON notes(mtime_ns DESC, path);
        CREATE TABLE tags(
            tag TEXT NOT NULL COLLATE NOCASE,
            path TEXT NOT NULL,
            PRIMARY KEY(tag, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idx_tags_path ON tags(path, tag);
        CREATE TABLE links(
            path TEXT NOT NULL,
            target TEXT NOT NULL COLLATE NOCASE,
            PRIMARY KEY(path, target)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX idx_links_target ON links(target, path);
        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    "],
    origin: Origin::Vault,
};

pub(super) const NEWEST: &str =
    "SELECT path, title, mtime_ns FROM notes ORDER BY mtime_ns DESC, path LIMIT ?1";
pub(super) const TAGGED: &str = "SELECT n.path, n.title, n.mtime_ns
    FROM tags t JOIN notes n ON n.path = t.path WHERE t.tag = ?2 ORDER BY t.path LIMIT ?1";
pub(super) const TAGS: &str = "SELECT tag FROM tags WHERE path = ?1 ORDER BY tag";
pub(super) const LINKS: &str = "SELECT target FROM links WHERE path = ?1 ORDER BY target";
pub(super) const BACKLINKS: &str = "SELECT path FROM links WHERE target IN (?1, ?2, ?3)";

/// A note in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listed {
    /// Relative to the vault.
    pub path: String,
    pub title: String,
    /// UTC, RFC 3339.
    #[schema(value_type = String)]
    pub modified_at: Timestamp,
}

/// All that is known of a note besides its text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Metadata {
    #[serde(flatten)]
    pub note: Listed,
    pub tags: Vec<String>,
    /// The targets of its wiki links, as written.
    pub links: Vec<String>,
    /// The notes with a wiki link to this one.
    pub backlinks: BTreeSet<String>,
    /// Its front matter, as JSON.
    #[schema(value_type = Object)]
    pub front_matter: Map<String, Value>,
}

impl Listed {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let nanos: i64 = row.get(2)?;
        let modified_at = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Self { path: row.get(0)?, title: row.get(1)?, modified_at })
    }
}

/// The last changed first; with a tag, in the order of their paths.
pub fn list(db: &Connection, tag: Option<&str>, limit: u32) -> rusqlite::Result<Vec<Listed>> {
    match tag {
        None => db.prepare_cached(NEWEST)?.query_map([limit], Listed::from_row)?.collect(),
        Some(tag) => db.prepare_cached(TAGGED)?.query_map(params![limit, tag], Listed::from_row)?.collect(),
    }
}

/// `None` when there is no such note in the index.
pub fn get(db: &Connection, path: &str) -> rusqlite::Result<Option<Metadata>> {
    let found = db
        .prepare_cached("SELECT path, title, mtime_ns, front FROM notes WHERE path = ?1")?
        .query_row([path], |row| Ok((Listed::from_row(row)?, row.get::<_, String>(3)?)))
        .optional()?;
    let Some((note, front)) = found else { return Ok(None) };
    let words = |sql: &str| -> rusqlite::Result<Vec<String>> {
        db.prepare_cached(sql)?.query_map([path], |row| row.get(0))?.collect()
    };
    let (tags, links) = (words(TAGS)?, words(LINKS)?);
    // A link names the note by its file name, its path without the extension, or its title.
    let whole = path.rsplit_once('.').map_or(path, |(whole, _)| whole);
    let backlinks = db
        .prepare_cached(BACKLINKS)?
        .query_map([note::stem(path), whole, note.title.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let front_matter = serde_json::from_str(&front).unwrap_or_default();
    Ok(Some(Metadata { note, tags, links, backlinks, front_matter }))
}

/// Puts what is known of a note in place of what was known of its older version.
pub fn put(db: &Connection, file: &NoteFile, note: &Note) -> rusqlite::Result<()> {
    remove(db, &file.path)?;
    let front = Value::Object(note.front.clone()).to_string();
    db.prepare_cached("INSERT INTO notes(path, title, mtime_ns, front) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![file.path, note.title, file.mtime_ns, front])?;
    // `OR IGNORE`: the same word in another case.
    let mut tag_row = db.prepare_cached("INSERT OR IGNORE INTO tags(tag, path) VALUES (?1, ?2)")?;
    for tag in &note.tags {
        tag_row.execute([tag, &file.path])?;
    }
    let mut link_row = db.prepare_cached("INSERT OR IGNORE INTO links(path, target) VALUES (?1, ?2)")?;
    for target in &note.links {
        link_row.execute([&file.path, target])?;
    }
    Ok(())
}

/// The note was touched, its content is the same.
pub fn touch(db: &Connection, file: &NoteFile) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE notes SET mtime_ns = ?2 WHERE path = ?1")?
        .execute(params![file.path, file.mtime_ns])?;
    Ok(())
}

pub fn remove(db: &Connection, path: &str) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM notes WHERE path = ?1",
        "DELETE FROM tags WHERE path = ?1",
        "DELETE FROM links WHERE path = ?1",
    ] {
        db.prepare_cached(sql)?.execute([path])?;
    }
    Ok(())
}

pub fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("DELETE FROM notes; DELETE FROM tags; DELETE FROM links;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::parse;

    #[test]
    fn notes_are_listed_by_time_and_tag_and_know_who_links_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let db = SPEC.open(dir.path()).unwrap();
        let add = |path: &str, mtime_ns: i64, text: &str| {
            let file = NoteFile { path: path.into(), mtime_ns, size: 1 };
            put(&db, &file, &parse(path, text)).unwrap();
        };
        add(
            "bread.md",
            2,
            "---\ntitle: Sour dough\ntags: [Food, slow]\nrating: 5\n---\nSee [[Starter#feeding|it]].",
        );
        add("sub/Starter.md", 3, "Feed it. #food #Food");
        add("list.md", 1, "[[sub/starter]] and [[SOUR DOUGH]] and [[nowhere]]");
        let paths = |tag| list(&db, tag, 9).unwrap().into_iter().map(|n| n.path).collect::<Vec<_>>();
        assert_eq!(paths(None), ["sub/Starter.md", "bread.md", "list.md"]);
        assert_eq!(paths(Some("FOOD")), ["bread.md", "sub/Starter.md"]);
        let starter = get(&db, "sub/Starter.md").unwrap().unwrap();
        assert_eq!(starter.backlinks, BTreeSet::from(["bread.md".to_owned(), "list.md".to_owned()]));
        let bread = get(&db, "bread.md").unwrap().unwrap();
        assert_eq!(
            (bread.links.as_slice(), bread.front_matter["rating"].clone()),
            (&["Starter".to_owned()][..], 5.into())
        );
        assert_eq!(bread.backlinks, BTreeSet::from(["list.md".to_owned()]));
        remove(&db, "list.md").unwrap();
        assert!(get(&db, "list.md").unwrap().is_none());
        assert!(get(&db, "bread.md").unwrap().unwrap().backlinks.is_empty());
    }
}
