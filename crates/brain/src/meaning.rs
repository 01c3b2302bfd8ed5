//! Keeps an embedding of every passage, when there is a service that makes them.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::clock::{self, Stopwatch};
use crate::embedding::{EmbedError, Embedder, Patience};
use crate::indexing::Indexing;
use crate::stores::connection::StoreError;
use crate::stores::usage::Used;
use crate::stores::vectors::{self, Missing};
use crate::stores::{Stores, lexical};

/// Passages that are sent together: enough for a model to work on, little to lose.
const BATCH: usize = 32;
const PAUSE: Duration = Duration::from_secs(1);
const AFTER_STORE_ERROR: Duration = Duration::from_secs(30);

/// Embeds what is missing, and again whenever the index has changed, until it is dropped.
pub async fn keep_embedded(embedder: Arc<Embedder>, indexing: Indexing, stores: Stores) {
    let work = Work { embedder: &embedder, indexing: &indexing, stores: &stores };
    loop {
        match work.pass().await {
            Ok(0) => indexing.indexed().await,
            Ok(texts) => info!(target: "brain.meaning", "{texts} passages embedded by {}", embedder.model()),
            Err(e) => {
                warn!(target: "brain.meaning", "embedding pauses: {e}");
                clock::pause(AFTER_STORE_ERROR).await;
            }
        }
    }
}

struct Work<'a> {
    embedder: &'a Embedder,
    indexing: &'a Indexing,
    stores: &'a Stores,
}

impl Work<'_> {
    /// Once over all passages. Returns how many were embedded.
    async fn pass(&self) -> Result<usize, StoreError> {
        let model = self.embedder.model().to_owned();
        let chosen = self.stores.vectors.query(move |db| vectors::use_model(db, &model));
        self.indexing.between_runs(chosen).await?;
        let (mut after, mut embedded) = (0, 0);
        loop {
            let missing = self.stores.vectors.query(move |db| vectors::missing(db, after, BATCH)).await?;
            let Some(last) = missing.last().map(|m| m.id) else { return Ok(embedded) };
            let (hashes, texts) = self.texts_of(missing).await?;
            match self.embed(hashes, &texts).await? {
                Ok(()) => (after, embedded) = (last, embedded + texts.len()),
                Err(EmbedError::Resting { seconds }) => clock::pause(Duration::from_secs(seconds)).await,
                Err(e) if e.is_passing() => {
                    debug!(target: "brain.meaning", "{e}");
                    clock::pause(PAUSE).await;
                }
                Err(e) => {
                    warn!(target: "brain.meaning", "{} passages stay without an embedding: {e}", texts.len());
                    after = last;
                }
            }
        }
    }

    /// The texts as the index has them; what changed meanwhile comes with the next pass.
    async fn texts_of(&self, missing: Vec<Missing>) -> Result<(Vec<Vec<u8>>, Vec<String>), StoreError> {
        let found = self.stores.lexical.query(move |db| {
            let mut found = Vec::new();
            for Missing { path, ordinal, hash, .. } in missing {
                let Some(p) = lexical::passage(db, &path, ordinal)? else { continue };
                let text = vectors::text_of(&p.title, &p.heading, &p.body);
                if vectors::hash_of(&text) == hash {
                    found.push((hash, text));
                }
            }
            Ok(found)
        });
        Ok(found.await?.into_iter().unzip())
    }

    async fn embed(
        &self,
        hashes: Vec<Vec<u8>>,
        texts: &[String],
    ) -> Result<Result<(), EmbedError>, StoreError> {
        if texts.is_empty() {
            return Ok(Ok(()));
        }
        let watch = Stopwatch::start();
        let made = match self.embedder.embed(texts, Patience::NOTES).await {
            Ok(made) => made,
            Err(e) => return Ok(Err(e)),
        };
        let duration = watch.elapsed();
        let model = self.embedder.model().to_owned();
        let used =
            Used { operation: "embed_notes", model, items: texts.len(), tokens: made.tokens, duration };
        self.stores.record(used).await;
        let embedded: Vec<_> = hashes.into_iter().zip(made.vectors).collect();
        let kept = self.stores.vectors.query(move |db| vectors::store(db, &embedded));
        self.indexing.between_runs(kept).await?;
        Ok(Ok(()))
    }
}
