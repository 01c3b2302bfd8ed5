//! The data of a small program that runs a language model at home, made from a seed: the same bytes each time.
//!
//! Of 1,000 parts: 245 full-text index, 48 graph, 345 vectors, 44 memories, 16 jobs (SQLite in WAL mode), 186 a
//! store as Chroma keeps it, 105 JSON lines, 23 notes in 5,000 files (fewer in small sets).

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rusqlite::{Connection, params};

const MEGABYTE: u64 = 1_000_000;
/// Shares of a thousand parts.
const TEXT: u64 = 245;
const GRAPH: u64 = 48;
const VECTORS: u64 = 345;
const MEMORY: u64 = 44;
const JOBS: u64 = 16;
const CHROMA_DATABASE: u64 = 20;
const CHROMA_INDEX: u64 = 166;
const LINES: u64 = 105;
const NOTES: u64 = 23;
const NOTE_BYTES: u64 = 4600;
/// Bytes of an embedding of 768 numbers.
const VECTOR: usize = 3072;
/// Of a record of the index: a vector and its links.
const RECORD: u64 = 3300;
const INDEX: &str = "chroma/5d1b7c62-8f3e-4a0d-9b57-0c2e4f6a8b91/data_level0.bin";
const WORDS: usize = 20_000;
/// Rows of one transaction while a database is made.
const AT_ONCE: u64 = 1000;
/// One in so many rows changes in a day.
const CHANGED: u64 = 100;

/// A data set of about `megabytes`.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub root: PathBuf,
    megabytes: u64,
}

impl Corpus {
    pub fn make(root: PathBuf, megabytes: u64) -> anyhow::Result<Self> {
        let corpus = Self { root, megabytes };
        fs::create_dir_all(corpus.root.join(INDEX).parent().context("the index has a folder")?)?;
        fs::create_dir_all(corpus.root.join("notes"))?;
        let mut chance = Chance(0x5eed);
        let words = words(&mut chance);
        for store in STORES {
            corpus
                .fill(&store, &mut chance, &words)
                .with_context(|| format!("cannot make {}", store.name))?;
        }
        let mut index = BufWriter::new(File::create(corpus.root.join(INDEX))?);
        for _ in 0..corpus.records() {
            index.write_all(&chance.bytes(usize::try_from(RECORD)?))?;
        }
        index.flush()?;
        corpus.append_lines(corpus.share(LINES), &mut chance, &words)?;
        for note in 0..corpus.notes() {
            fs::write(corpus.note(note), chance.text(&words, NOTE_BYTES))?;
        }
        Ok(corpus)
    }

    /// A day's work: one row in a hundred anew, a hundredth of the lines, fifty notes, one record of the index in a
    /// hundred.
    pub fn change(&self, day: u64) -> anyhow::Result<()> {
        let mut chance = Chance(0xda1 + day);
        let words = words(&mut Chance(0x5eed));
        for store in STORES {
            let db = open(&self.root.join(store.name), store.wal)?;
            let rows: u64 =
                db.query_row("SELECT max(rowid) FROM item", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
            db.execute_batch("BEGIN")?;
            for _ in 0..rows / CHANGED {
                let row = i64::try_from(chance.below(rows) + 1)?;
                let update = format!("UPDATE item SET {} WHERE rowid = ?1", store.updated);
                db.prepare_cached(&update)?.execute(params![row, (store.body)(&mut chance, &words)])?;
            }
            db.execute_batch("COMMIT")?;
            close(db, store.wal)?;
        }
        let index = OpenOptions::new().write(true).open(self.root.join(INDEX))?;
        for _ in 0..self.records() / CHANGED {
            let record = chance.below(self.records());
            index.write_all_at(&chance.bytes(VECTOR), record * RECORD)?;
        }
        self.append_lines(self.share(LINES) / CHANGED, &mut chance, &words)?;
        for _ in 0..50.min(self.notes()) {
            fs::write(self.note(chance.below(self.notes())), chance.text(&words, NOTE_BYTES))?;
        }
        Ok(())
    }

    fn share(&self, parts: u64) -> u64 {
        self.megabytes * MEGABYTE / 1000 * parts
    }

    fn records(&self) -> u64 {
        self.share(CHROMA_INDEX) / RECORD
    }

    fn notes(&self) -> u64 {
        self.share(NOTES) / NOTE_BYTES
    }

    fn note(&self, number: u64) -> PathBuf {
        self.root.join("notes").join(format!("{number:05}.md"))
    }

    fn fill(&self, store: &Store, chance: &mut Chance, words: &[String]) -> anyhow::Result<()> {
        let path = self.root.join(store.name);
        let db = open(&path, store.wal)?;
        db.execute_batch(store.schema)?;
        let wanted = self.share(store.share);
        let size = |db: &Connection| -> rusqlite::Result<u64> {
            let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
            Ok(pages.unsigned_abs() * 4096)
        };
        while size(&db)? < wanted {
            db.execute_batch("BEGIN")?;
            for _ in 0..AT_ONCE.min(wanted / 8192 + 1) {
                db.prepare_cached(store.insert)?.execute([(store.body)(chance, words)])?;
            }
            db.execute_batch("COMMIT")?;
        }
        close(db, store.wal)?;
        Ok(())
    }

    fn append_lines(&self, bytes: u64, chance: &mut Chance, words: &[String]) -> anyhow::Result<()> {
        let file =
            OpenOptions::new().create(true).append(true).open(self.root.join("conversations.jsonl"))?;
        let mut out = BufWriter::new(file);
        let mut written = 0;
        while written < bytes {
            let line = serde_json::json!({
                "id": format!("{:016x}", chance.next()),
                "role": if chance.below(2) == 0 { "user" } else { "assistant" },
                "text": chance.text(words, 600),
            });
            let line = format!("{line}\n");
            out.write_all(line.as_bytes())?;
            written += line.len() as u64;
        }
        out.flush()?;
        Ok(())
    }
}

struct Store {
    name: &'static str,
    wal: bool,
    share: u64,
    /// The table `item`, with a rowid.
    schema: &'static str,
    /// Takes one body.
    insert: &'static str,
    /// Takes the rowid and a body.
    updated: &'static str,
    body: fn(&mut Chance, &[String]) -> Vec<u8>,
}

const STORES: [Store; 6] = [
    Store {
        name: "text.db",
        wal: true,
        share: TEXT,
        schema: "CREATE VIRTUAL TABLE item USING fts5(body)",
        insert: "INSERT INTO item VALUES (CAST(?1 AS TEXT))",
        updated: "body = CAST(?2 AS TEXT)",
        body: |chance, words| chance.text(words, 1500),
    },
    Store {
        name: "graph.db",
        wal: true,
        share: GRAPH,
        schema: "CREATE TABLE item(id INTEGER PRIMARY KEY, head INTEGER, tail INTEGER, label BLOB);
                 CREATE INDEX item_head ON item(head); CREATE INDEX item_tail ON item(tail)",
        insert: "INSERT INTO item(head, tail, label) VALUES (length(?1) * 977 % 50000, unicode(CAST(?1 AS TEXT)) * 1291 % 50000, ?1)",
        updated: "label = ?2",
        body: |chance, words| chance.text(words, 40),
    },
    Store {
        name: "vectors.db",
        wal: true,
        share: VECTORS,
        schema: "CREATE TABLE item(id INTEGER PRIMARY KEY, vector BLOB)",
        insert: "INSERT INTO item(vector) VALUES (?1)",
        updated: "vector = ?2",
        body: |chance, _| chance.bytes(VECTOR),
    },
    Store {
        name: "memory.db",
        wal: true,
        share: MEMORY,
        schema: "CREATE TABLE item(id INTEGER PRIMARY KEY, text BLOB)",
        insert: "INSERT INTO item(text) VALUES (?1)",
        updated: "text = ?2",
        body: |chance, words| chance.text(words, 500),
    },
    Store {
        name: "jobs.db",
        wal: true,
        share: JOBS,
        schema: "CREATE TABLE item(id INTEGER PRIMARY KEY, state BLOB)",
        insert: "INSERT INTO item(state) VALUES (?1)",
        updated: "state = ?2",
        body: |chance, words| chance.text(words, 200),
    },
    Store {
        name: "chroma/chroma.sqlite3",
        wal: false,
        share: CHROMA_DATABASE,
        schema: "CREATE TABLE item(id INTEGER PRIMARY KEY, document BLOB)",
        insert: "INSERT INTO item(document) VALUES (?1)",
        updated: "document = ?2",
        body: |chance, words| chance.text(words, 800),
    },
];

fn open(path: &Path, wal: bool) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", if wal { "wal" } else { "delete" })?;
    // What is lost by a power cut is made again.
    db.pragma_update(None, "synchronous", "off")?;
    Ok(db)
}

/// All of it in its one file, so that a plain copy has all of it too.
fn close(db: Connection, wal: bool) -> rusqlite::Result<()> {
    if wal {
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    db.close().map_err(|(_, error)| error)
}

pub fn words(chance: &mut Chance) -> Vec<String> {
    let mut word = || {
        let length = 3 + chance.below(8);
        (0..length).map(|_| char::from(b'a' + u8::try_from(chance.below(26)).unwrap_or_default())).collect()
    };
    (0..WORDS).map(|_| word()).collect()
}

/// `splitmix64`.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }

    /// Some words are said much more often than others.
    pub fn text(&mut self, words: &[String], bytes: u64) -> Vec<u8> {
        let mut text = Vec::new();
        while (text.len() as u64) < bytes {
            let [a, b] = [self.below(WORDS as u64), self.below(WORDS as u64)];
            let at = usize::try_from(a * b / WORDS as u64).unwrap_or_default();
            text.extend_from_slice(words.get(at).map_or(b"word".as_slice(), |w| w.as_bytes()));
            text.push(b' ');
        }
        text
    }
}
