//! The stores under the data directory, one SQLite file each, all opened by one connection factory.

pub mod connection;
pub mod conversations;
pub mod generation;
pub mod lexical;
pub mod tracker;

use std::path::Path;

use connection::{Database, StoreError};

/// What the server keeps open.
#[derive(Debug, Clone)]
pub struct Stores {
    pub conversations: Database,
    pub lexical: Database,
    pub tracker: Database,
}

impl Stores {
    /// Creates what is missing and migrates what is old.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            conversations: Database::open(&conversations::SPEC, data, 2)?,
            lexical: Database::open(&lexical::SPEC, data, 4)?,
            tracker: Database::open(&tracker::SPEC, data, 1)?,
        })
    }

    pub async fn close(&self) {
        self.conversations.close().await;
        self.lexical.close().await;
        self.tracker.close().await;
    }
}
