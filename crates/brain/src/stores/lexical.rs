//! `lexical.db`: the full-text index (FTS5, BM25) over the notes' chunks. Derived from the vault.
//!
//! The FTS table holds no text of its own: `chunks` does, and both change in the same transaction by
//! explicit statements. No triggers: `REPLACE` bypasses them and leaves a malformed index.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::connection::{Origin, Spec};
use crate::note::Note;
use crate::query::{Join, fts_expression};

pub const SPEC: Spec = Spec {
    file: "lexical.db",
    migrations: &["
        CREATE TABLE chunks(
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL,
            ordinal INTEGER NOT NULL,
            title TEXT NOT NULL,
            heading TEXT NOT NULL,
            body TEXT NOT NULL,
            tags TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX idx_chunks_path ON chunks(path, ordinal);
        CREATE VIRTUAL TABLE chunks_fts USING fts5(
            title, heading, body, tags, content = 'chunks', content_rowid = 'id',
            tokenize = 'unicode61 remove_diacritics 2'
        );
        INSERT INTO chunks_fts(chunks_fts, rank) VALUES ('rank', 'bm25(5.0, 3.0, 1.0, 3.0)');
        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    "],
    origin: Origin::Vault,
};

/// Ordering by the hidden `rank` lets FTS5 sort inside, so snippets are made for the returned rows only.
const SEARCH: &str = "
    SELECT c.path, c.title, c.heading, c.tags, snippet(chunks_fts, 2, '**', '**', '…', 24), rank
    FROM chunks_fts JOIN chunks c ON c.id = chunks_fts.rowid
    WHERE chunks_fts MATCH ?1 ORDER BY rank LIMIT ?2";

pub(super) const PASSAGE: &str =
    "SELECT path, title, heading, body, tags FROM chunks WHERE path = ?1 AND ordinal = ?2";
pub(super) const REMOVE: &str = "DELETE FROM chunks WHERE path = ?1";

/// Several chunks of one note may match; so many candidates are looked at for each wanted note.
const CANDIDATES_PER_NOTE: u32 = 4;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Hit {
    /// The note, relative to the vault.
    pub path: String,
    pub title: String,
    /// The heading above the best passage, or empty.
    pub heading: String,
    /// The best passage, with the found words between `**`.
    pub snippet: String,
    pub tags: Vec<String>,
    /// Larger is better: BM25 when `mode` is `lexical`, the sum of reciprocal ranks when it is `hybrid`.
    pub score: f64,
}

/// The best passage of each note which has all the words, or, when none has, of those with any.
pub fn search(db: &Connection, typed: &str, limit: u32) -> rusqlite::Result<Vec<Hit>> {
    for join in [Join::All, Join::Any] {
        let Some(expression) = fts_expression(typed, join) else { break };
        let hits = matches(db, &expression, limit)?;
        if !hits.is_empty() {
            return Ok(hits);
        }
    }
    Ok(Vec::new())
}

fn matches(db: &Connection, expression: &str, limit: u32) -> rusqlite::Result<Vec<Hit>> {
    let mut statement = db.prepare_cached(SEARCH)?;
    let candidates = limit.saturating_mul(CANDIDATES_PER_NOTE);
    let mut rows = statement.query(params![expression, candidates])?;
    let mut seen = HashSet::new();
    let mut hits = Vec::new();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    while let Some(row) = rows.next()? {
        let path: String = row.get(0)?;
        if !seen.insert(path.clone()) {
            continue;
        }
        let tags: String = row.get(3)?;
        let rank: f64 = row.get(5)?;
        hits.push(Hit {
            path,
            title: row.get(1)?,
            heading: row.get(2)?,
            snippet: row.get(4)?,
            tags: tags_of(&tags),
            score: -rank,
        });
        if hits.len() == wanted {
            break;
        }
    }
    Ok(hits)
}

/// Tags as they stand in one column.
pub fn tags_of(column: &str) -> Vec<String> {
    column.split_whitespace().map(str::to_owned).collect()
}

/// A chunk as it is in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    pub path: String,
    pub title: String,
    pub heading: String,
    pub body: String,
    pub tags: String,
}

pub fn passage(db: &Connection, path: &str, ordinal: i64) -> rusqlite::Result<Option<Passage>> {
    db.prepare_cached(PASSAGE)?
        .query_row(params![path, ordinal], |row| {
            Ok(Passage {
                path: row.get(0)?,
                title: row.get(1)?,
                heading: row.get(2)?,
                body: row.get(3)?,
                tags: row.get(4)?,
            })
        })
        .optional()
}

/// Puts a note's chunks in place of those of its older version. Returns how many there are.
pub fn put(db: &Connection, path: &str, note: &Note) -> rusqlite::Result<usize> {
    remove(db, path)?;
    let mut chunk_row = db.prepare_cached(
        "INSERT INTO chunks(path, ordinal, title, heading, body, tags) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut fts_row = db.prepare_cached(
        "INSERT INTO chunks_fts(rowid, title, heading, body, tags) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let tags = note.tags.join(" ");
    for (ordinal, chunk) in (0_i64..).zip(&note.chunks) {
        let id = chunk_row.insert(params![path, ordinal, note.title, chunk.heading, chunk.body, tags])?;
        fts_row.execute(params![id, note.title, chunk.heading, chunk.body, tags])?;
    }
    Ok(note.chunks.len())
}

/// Takes a note out of the index; no matter if it was not there.
pub fn remove(db: &Connection, path: &str) -> rusqlite::Result<()> {
    // FTS5 must be told the very text it indexed, so this reads it from `chunks` before that goes.
    db.prepare_cached(
        "INSERT INTO chunks_fts(chunks_fts, rowid, title, heading, body, tags)
         SELECT 'delete', id, title, heading, body, tags FROM chunks WHERE path = ?1",
    )?
    .execute([path])?;
    db.prepare_cached(REMOVE)?.execute([path])?;
    Ok(())
}

/// Empties the index, whatever state it is in.
pub fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("INSERT INTO chunks_fts(chunks_fts) VALUES ('delete-all'); DELETE FROM chunks;")
}

/// How many chunks are searchable.
pub fn count(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT count(*) FROM chunks", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::parse;

    fn store() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = SPEC.open(dir.path()).unwrap();
        (dir, db)
    }

    fn found(db: &Connection, typed: &str) -> Vec<String> {
        search(db, typed, 10).unwrap().into_iter().map(|hit| hit.path).collect()
    }

    fn check(db: &Connection) {
        // Rank 1: also compare the index with the text in `chunks`.
        db.execute("INSERT INTO chunks_fts(chunks_fts, rank) VALUES ('integrity-check', 1)", []).unwrap();
    }

    #[test]
    fn changed_and_removed_notes_leave_no_trace_in_a_sound_index() {
        let (_dir, db) = store();
        put(&db, "a.md", &parse("a.md", "# Apples\nsweet and red\n\n# Pears\ngreen")).unwrap();
        put(&db, "b.md", &parse("b.md", "bitter lemon")).unwrap();
        assert_eq!(found(&db, "sweet"), ["a.md"]);
        put(&db, "a.md", &parse("a.md", "sour now")).unwrap();
        remove(&db, "b.md").unwrap();
        assert!(found(&db, "sweet pears lemon").is_empty());
        assert_eq!((found(&db, "sour"), count(&db).unwrap()), (vec!["a.md".to_owned()], 1));
        check(&db);
        clear(&db).unwrap();
        assert!(found(&db, "sour").is_empty());
        check(&db);
    }

    #[test]
    fn a_note_is_listed_once_with_its_best_passage_and_titles_weigh_more() {
        let (_dir, db) = store();
        put(&db, "many.md", &parse("many.md", "# One\nplum\n# Two\nplum plum plum\n# Three\nplum jam"))
            .unwrap();
        put(&db, "plum.md", &parse("plum.md", "a tree")).unwrap();
        let hits = search(&db, "PLUM", 10).unwrap();
        assert_eq!(hits.iter().map(|h| h.path.as_str()).collect::<Vec<_>>(), ["plum.md", "many.md"]);
        assert!(hits[1].snippet.contains("**plum**"), "{hits:?}");
    }

    #[test]
    fn words_that_no_note_has_together_are_searched_one_by_one() {
        let (_dir, db) = store();
        put(&db, "a.md", &parse("a.md", "crème brûlée")).unwrap();
        put(&db, "b.md", &parse("b.md", "#dessert list")).unwrap();
        assert_eq!(found(&db, "creme brulee"), ["a.md"]);
        assert_eq!(found(&db, "creme dessert").len(), 2);
        assert_eq!(found(&db, "creme AND (").len(), 1);
    }
}
