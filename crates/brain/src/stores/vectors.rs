//! `vectors.db`: what passages mean, as vectors, measured by sqlite-vec. Derived from the vault.
//!
//! Passages follow the index; embeddings belong to a text by its hash, so that a rebuild, a moved or a touched
//! note costs no call of the embedding service.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::connection::{Origin, Spec};
use crate::note::{Chunk, Note};

/// An embedding is its 32-bit floats in the byte order of the machine, as sqlite-vec reads them.
pub const SPEC: Spec = Spec {
    file: "vectors.db",
    migrations: &["
        CREATE TABLE passages(
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL,
            ordinal INTEGER NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX idx_passages_path ON passages(path, ordinal);
        CREATE INDEX idx_passages_hash ON passages(hash);
        CREATE TABLE embeddings(hash BLOB PRIMARY KEY, embedding BLOB NOT NULL) STRICT;
        CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    "],
    origin: Origin::Vault,
};

pub(super) const MISSING: &str = "SELECT p.id, p.path, p.ordinal, p.hash FROM passages p
    WHERE p.id > ?1 AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.hash = p.hash)
    ORDER BY p.id LIMIT ?2";
/// Every vector is measured: exact, and fast enough for the notes of one person.
const NEAREST: &str = "
    SELECT p.path, p.ordinal, n.distance FROM (
        SELECT hash, vec_distance_cosine(embedding, ?1) AS distance FROM embeddings
        WHERE length(embedding) = length(?1) ORDER BY distance LIMIT ?2
    ) n JOIN passages p ON p.hash = n.hash ORDER BY n.distance, p.path, p.ordinal";

/// A passage that has no embedding yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub id: i64,
    pub path: String,
    pub ordinal: i64,
    pub hash: Vec<u8>,
}

/// A passage by its meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    pub path: String,
    pub ordinal: i64,
    /// Cosine distance: 0 is the same direction, 2 the opposite.
    pub distance: f64,
}

/// What is embedded of a passage.
pub fn text_of(title: &str, heading: &str, body: &str) -> String {
    [title, heading, body].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("\n")
}

pub fn hash_of(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Puts a note's passages in place of those of its older version.
pub fn put(db: &Connection, path: &str, note: &Note) -> rusqlite::Result<()> {
    remove(db, path)?;
    let mut row = db.prepare_cached("INSERT INTO passages(path, ordinal, hash) VALUES (?1, ?2, ?3)")?;
    for (ordinal, Chunk { heading, body }) in (0_i64..).zip(&note.chunks) {
        row.execute(params![path, ordinal, hash_of(&text_of(&note.title, heading, body))])?;
    }
    Ok(())
}

pub fn remove(db: &Connection, path: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM passages WHERE path = ?1")?.execute([path])?;
    Ok(())
}

/// Forgets the passages, not what their texts mean.
pub fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("DELETE FROM passages")
}

/// Drops embeddings of texts that no note holds any more.
pub fn sweep(db: &Connection) -> rusqlite::Result<usize> {
    db.execute(
        "DELETE FROM embeddings WHERE NOT EXISTS (SELECT 1 FROM passages p WHERE p.hash = embeddings.hash)",
        [],
    )
}

/// Embeddings of another model cannot be compared: they go.
pub fn use_model(db: &mut Connection, model: &str) -> rusqlite::Result<()> {
    let both = db.transaction()?;
    let last: Option<String> =
        both.query_row("SELECT value FROM meta WHERE key = 'model'", [], |row| row.get(0)).optional()?;
    if last.as_deref() != Some(model) {
        both.execute("DELETE FROM embeddings", [])?;
        both.execute("INSERT OR REPLACE INTO meta VALUES ('model', ?1)", [model])?;
    }
    both.commit()
}

/// Passages without an embedding, in order, after that `id`.
pub fn missing(db: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Missing>> {
    db.prepare_cached(MISSING)?
        .query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(Missing { id: row.get(0)?, path: row.get(1)?, ordinal: row.get(2)?, hash: row.get(3)? })
        })?
        .collect()
}

/// Keeps embeddings by the hash of their text.
pub fn store(db: &mut Connection, embedded: &[(Vec<u8>, Vec<f32>)]) -> rusqlite::Result<()> {
    let all = db.transaction()?;
    for (hash, vector) in embedded {
        all.prepare_cached("INSERT OR REPLACE INTO embeddings VALUES (?1, ?2)")?
            .execute(params![hash, bytes_of(vector)])?;
    }
    all.commit()
}

/// The passages of the `texts` nearest texts, the nearest first.
pub fn nearest(db: &Connection, vector: &[f32], texts: u32) -> rusqlite::Result<Vec<Near>> {
    db.prepare_cached(NEAREST)?
        .query_map(params![bytes_of(vector), texts], |row| {
            Ok(Near { path: row.get(0)?, ordinal: row.get(1)?, distance: row.get(2)? })
        })?
        .collect()
}

/// How many texts have an embedding.
pub fn count(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT count(*) FROM embeddings", [], |row| row.get(0))
}

fn bytes_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::parse;

    fn store_with(notes: &[(&str, &str)]) -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = SPEC.open(dir.path()).unwrap();
        for (path, text) in notes {
            put(&db, path, &parse(path, text)).unwrap();
        }
        (dir, db)
    }

    #[test]
    fn the_nearest_passage_comes_first_and_other_lengths_do_not_disturb() {
        let (_dir, mut db) = store_with(&[("a.md", "apple"), ("b.md", "bread"), ("c.md", "cheese")]);
        let missing = missing(&db, 0, 9).unwrap();
        assert_eq!(missing.len(), 3);
        let vectors = [vec![1.0, 0.0], vec![0.6, 0.8], vec![0.0, 1.0, 0.0]];
        let embedded: Vec<_> = missing.iter().map(|m| m.hash.clone()).zip(vectors).collect();
        store(&mut db, &embedded).unwrap();
        let near = nearest(&db, &[0.0, 1.0], 9).unwrap();
        assert_eq!(near.iter().map(|n| n.path.as_str()).collect::<Vec<_>>(), ["b.md", "a.md"]);
        assert!((near[0].distance - 0.2).abs() < 1e-6, "{near:?}");
        assert!(super::missing(&db, 0, 9).unwrap().is_empty());
    }

    #[test]
    fn a_moved_note_keeps_its_embedding_and_another_model_begins_anew() {
        let (_dir, mut db) = store_with(&[("a.md", "# T\napple")]);
        use_model(&mut db, "one").unwrap();
        let hash = missing(&db, 0, 1).unwrap().remove(0).hash;
        store(&mut db, &[(hash, vec![1.0])]).unwrap();
        clear(&db).unwrap();
        put(&db, "moved.md", &parse("moved.md", "# T\napple")).unwrap();
        use_model(&mut db, "one").unwrap();
        assert!(missing(&db, 0, 9).unwrap().is_empty());
        assert_eq!((sweep(&db).unwrap(), count(&db).unwrap()), (0, 1));
        remove(&db, "moved.md").unwrap();
        assert_eq!((sweep(&db).unwrap(), count(&db).unwrap()), (1, 0));
        put(&db, "a.md", &parse("a.md", "apple")).unwrap();
        let hash = missing(&db, 0, 1).unwrap().remove(0).hash;
        store(&mut db, &[(hash, vec![1.0])]).unwrap();
        use_model(&mut db, "two").unwrap();
        assert_eq!(missing(&db, 0, 9).unwrap().len(), 1);
    }
}
