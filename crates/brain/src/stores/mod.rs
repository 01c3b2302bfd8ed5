//! The stores under the data directory, one SQLite file each, all opened by one connection factory.

pub mod connection;
pub mod conversations;
pub mod generation;
pub mod lexical;
pub mod metadata;
pub mod outbox;
pub mod pool;
pub mod tracker;
pub mod usage;
pub mod vectors;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::warn;

use connection::{Origin, StoreError};
use outbox::OutboxStatus;
use pool::Database;
use usage::Used;

use crate::clock;

/// What the server keeps open.
#[derive(Debug, Clone)]
pub struct Stores {
    pub conversations: Database,
    pub lexical: Database,
    pub metadata: Database,
    pub outbox: Database,
    pub tracker: Database,
    pub usage: Database,
    pub vectors: Database,
    /// Told when a statement finds a store damaged.
    pub damage: Arc<Notify>,
}

impl Stores {
    /// Creates what is missing, migrates what is old, begins anew what is damaged and can be derived.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        let damage = Arc::new(Notify::new());
        // At once: a new store costs a few flushes to the disk, and seven one after the other a tenth of a second.
        std::thread::scope(|scope| {
            let open = |spec, connections| {
                let opening = scope.spawn({
                    let damage = &damage;
                    move || Database::open(spec, data, connections, damage)
                });
                move || match opening.join() {
                    Ok(opened) => opened,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            };
            // One writer at a time for the outbox: captures queue up without a thread, instead of polling SQLite's lock.
            let (conversations, lexical) = (open(&conversations::SPEC, 2), open(&lexical::SPEC, 4));
            let (metadata, outbox) = (open(&metadata::SPEC, 1), open(&outbox::SPEC, 1));
            let (tracker, usage) = (open(&tracker::SPEC, 1), open(&usage::SPEC, 1));
            let vectors = open(&vectors::SPEC, 2);
            Ok(Self {
                conversations: conversations()?,
                lexical: lexical()?,
                metadata: metadata()?,
                outbox: outbox()?,
                tracker: tracker()?,
                usage: usage()?,
                vectors: vectors()?,
                damage: Arc::clone(&damage),
            })
        })
    }

    pub fn all(&self) -> [&Database; 7] {
        let Self { conversations, lexical, metadata, outbox, tracker, usage, vectors, damage: _ } = self;
        [conversations, lexical, metadata, outbox, tracker, usage, vectors]
    }

    /// Bytes of each file with its log. Blocks on the file system.
    pub fn sizes(&self, data: &Path) -> Vec<(&'static str, u64)> {
        let bytes = |path: &Path| path.metadata().map_or(0, |found| found.len());
        let size = |store: &Database| {
            let path = store.spec().path(data);
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            (store.spec().file, bytes(&path) + bytes(Path::new(&log)))
        };
        self.all().map(size).to_vec()
    }

    pub async fn close(&self) {
        for store in self.all() {
            store.close().await;
        }
    }

    /// The files that were found damaged and not mended.
    pub fn damaged(&self) -> Vec<&'static str> {
        self.all().into_iter().filter(|store| store.is_damaged()).map(|store| store.spec().file).collect()
    }

    /// Marks the store that this error says is damaged. True when it can be mended.
    pub fn distrust(&self, error: &StoreError) -> bool {
        let Some(file) = error.damaged_file() else { return false };
        let store = self.all().into_iter().find(|store| store.is_at(file));
        store.is_some_and(|store| {
            store.distrust(&error.to_string());
            store.spec().origin == Origin::Vault
        })
    }

    /// Begins every damaged store anew that can be derived. True when there was one: the index has to be rebuilt.
    ///
    /// No index run may be under way.
    pub async fn mend(&self) -> Result<bool, StoreError> {
        let mut mended = false;
        for store in self.all() {
            if store.is_damaged() && store.spec().origin == Origin::Vault {
                store.begin_anew().await?;
                mended = true;
            }
        }
        Ok(mended)
    }

    /// Captures on their way to the index.
    pub async fn outbox_status(&self, now: Timestamp) -> Result<OutboxStatus, StoreError> {
        self.outbox.query(move |db| outbox::status(db, now)).await
    }

    /// Adds to the ledger; what was done stays done if that fails.
    pub async fn record(&self, used: Used) {
        let recorded = self.usage.query(move |db| usage::record(db, &used, clock::now())).await;
        if let Err(e) = recorded {
            warn!(target: "brain.stores", "the ledger has a gap: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connection::Spec;

    /// Every query that lists, orders or counts, with the store it belongs to.
    const LISTINGS: [(&Spec, &str); 20] = [
        (&conversations::SPEC, conversations::LIST),
        (&lexical::SPEC, lexical::PASSAGE),
        (&lexical::SPEC, lexical::REMOVE),
        (&metadata::SPEC, metadata::NEWEST),
        (&metadata::SPEC, metadata::TAGGED),
        (&metadata::SPEC, metadata::TAGS),
        (&metadata::SPEC, metadata::LINKS),
        (&metadata::SPEC, metadata::BACKLINKS),
        (&outbox::SPEC, outbox::DUE),
        (&outbox::SPEC, outbox::NEXT),
        (&outbox::SPEC, outbox::OLDEST),
        (&outbox::SPEC, outbox::WAITING),
        (&outbox::SPEC, outbox::FAILED),
        (&outbox::SPEC, outbox::FORGET),
        (&outbox::SPEC, outbox::PROCESSED),
        (&tracker::SPEC, tracker::LAST_INDEXED),
        (&tracker::SPEC, tracker::AT_OR_BELOW),
        (&usage::SPEC, usage::TOTALS),
        (&usage::SPEC, usage::FORGET),
        (&vectors::SPEC, vectors::MISSING),
    ];

    #[test]
    fn every_listing_walks_an_index_and_sorts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (spec, sql) in LISTINGS {
            let db = spec.open(dir.path()).unwrap();
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            // What is not bound is NULL, which is all the same to the plan.
            let mut rows = explain.raw_query();
            let mut plan: Vec<String> = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                plan.push(row.get("detail").unwrap());
            }
            let scans = |step: &&String| step.starts_with("SCAN ") && !step.contains(" USING ");
            assert_eq!(plan.iter().find(scans), None, "{}: {sql}: {plan:?}", spec.file);
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{sql}: {plan:?}");
            assert!(plan.iter().any(|step| step.contains("USING")), "no index at all: {sql}: {plan:?}");
        }
    }

    #[tokio::test]
    async fn damage_met_by_a_statement_is_mended_where_it_can_be_and_refused_where_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let conversation = "INSERT INTO conversations VALUES (1, 'x', hex(zeroblob(40000)), 1, 1)";
        let other = "INSERT INTO meta VALUES ('x', hex(zeroblob(40000)))";
        for (spec, sql) in [(&lexical::SPEC, other), (&conversations::SPEC, conversation)] {
            spec.open(dir.path()).unwrap().execute(sql, []).unwrap();
            // The header and the schema stay: it opens, and only reading further finds out.
            let path = spec.path(dir.path());
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[8192..].fill(0xa5);
            std::fs::write(&path, bytes).unwrap();
        }
        let stores = Stores::open(dir.path()).unwrap();
        assert!(stores.damaged().is_empty());
        for store in stores.all() {
            // Whether it says so or fails at it: damage is found.
            let _ = store.examine().await;
        }
        assert_eq!(stores.damaged(), ["conversations.db", "lexical.db"]);
        assert!(stores.mend().await.unwrap());
        assert_eq!(stores.damaged(), ["conversations.db"]);
        assert_eq!(stores.lexical.query(|db| lexical::count(db)).await.unwrap(), 0);
        let refused =
            stores.conversations.query(|db| conversations::list(db, 1)).await.unwrap_err().to_string();
        assert!(refused.contains("restore it from a backup, then start brain again"), "{refused}");
        stores.close().await;
    }
}
