//! Search by words, and by meaning too when there is an embedding service.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Stopwatch;
use crate::embedding::{Embedder, Patience};
use crate::fusion::fuse;
use crate::stores::connection::StoreError;
use crate::stores::lexical::{self, Hit, Passage};
use crate::stores::usage::Used;
use crate::stores::{Stores, vectors};

/// So many of the best by words and by meaning are ranked together.
const CANDIDATES: u32 = 50;
const SNIPPET_CHARS: usize = 160;

/// How notes were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By their words.
    Lexical,
    /// By their words and their meaning.
    Hybrid,
}

#[derive(Debug)]
pub struct Found {
    pub hits: Vec<Hit>,
    pub mode: Mode,
    /// Why meaning could not be asked, though it is configured.
    pub degraded: Option<String>,
}

/// The best notes for what was typed. What the embedding service does never makes it an error.
pub async fn search(
    stores: &Stores,
    embedder: Option<&Embedder>,
    typed: String,
    limit: u32,
) -> Result<Found, StoreError> {
    let Some(embedder) = embedder else {
        let hits = stores.lexical.query(move |db| lexical::search(db, &typed, limit)).await?;
        return Ok(Found { hits, mode: Mode::Lexical, degraded: None });
    };
    let (words, wide) = (typed.clone(), limit.max(CANDIDATES));
    let by_words = stores.lexical.query(move |db| lexical::search(db, &words, wide));
    let (mut hits, near) = tokio::join!(by_words, by_meaning(stores, embedder, typed));
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let near = match near {
        Ok(near) => near,
        Err(why) => {
            hits.as_mut().map(|hits| hits.truncate(wanted)).ok();
            return Ok(Found { hits: hits?, mode: Mode::Lexical, degraded: Some(why) });
        }
    };
    Ok(Found { hits: together(hits?, near, wanted), mode: Mode::Hybrid, degraded: None })
}

/// The nearest passage of each note, the nearest note first.
async fn by_meaning(stores: &Stores, embedder: &Embedder, typed: String) -> Result<Vec<Passage>, String> {
    let watch = Stopwatch::start();
    let mut made = embedder.embed(&[typed], Patience::SEARCH).await.map_err(|e| e.to_string())?;
    let Some(vector) = made.vectors.pop() else { return Err("no embedding of the query".to_owned()) };
    let (model, tokens, duration) = (embedder.model().to_owned(), made.tokens, watch.elapsed());
    stores.record(Used { operation: "embed_query", model, items: 1, tokens, duration }).await;
    let near = stores.vectors.query(move |db| vectors::nearest(db, &vector, CANDIDATES));
    let near = near.await.map_err(|e| e.to_string())?;
    let passages = stores.lexical.query(move |db| {
        let mut passages: Vec<Passage> = Vec::new();
        for place in near {
            if passages.iter().all(|p| p.path != place.path) {
                // Gone from the index between the two looks.
                passages.extend(lexical::passage(db, &place.path, place.ordinal)?);
            }
        }
        Ok(passages)
    });
    passages.await.map_err(|e| e.to_string())
}

/// One ranking of both. What the words found shows where they stand; the rest shows the nearest passage.
fn together(hits: Vec<Hit>, near: Vec<Passage>, wanted: usize) -> Vec<Hit> {
    let by_words: Vec<&str> = hits.iter().map(|hit| hit.path.as_str()).collect();
    let by_meaning: Vec<&str> = near.iter().map(|passage| passage.path.as_str()).collect();
    let ranking: Vec<(String, f64)> = fuse(&[by_words, by_meaning])
        .into_iter()
        .take(wanted)
        .map(|(path, score)| (path.to_owned(), score))
        .collect();
    let nearest = near.into_iter().map(|passage| (passage.path.clone(), hit_of(passage)));
    let mut all: HashMap<String, Hit> = nearest.collect();
    all.extend(hits.into_iter().map(|hit| (hit.path.clone(), hit)));
    ranking.into_iter().filter_map(|(path, score)| Some(Hit { score, ..all.remove(&path)? })).collect()
}

fn hit_of(passage: Passage) -> Hit {
    let Passage { path, title, heading, body, tags } = passage;
    let mut snippet: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = snippet.char_indices().nth(SNIPPET_CHARS) {
        snippet.truncate(end);
        snippet.push('…');
    }
    Hit { path, title, heading, snippet, tags: lexical::tags_of(&tags), score: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(path: &str, body: &str) -> Passage {
        let text = String::new;
        Passage { path: path.into(), title: text(), heading: text(), body: body.into(), tags: "a b".into() }
    }

    #[test]
    fn a_note_found_both_ways_comes_first_with_the_words_that_were_found() {
        let word = |path: &str| Hit { snippet: "**found**".into(), score: 9.0, ..hit_of(passage(path, "")) };
        let long = "word ".repeat(60);
        let near = vec![passage("c.md", &long), passage("b.md", "near")];
        let hits = together(vec![word("a.md"), word("b.md")], near, 2);
        assert_eq!(hits.iter().map(|h| h.path.as_str()).collect::<Vec<_>>(), ["b.md", "a.md"]);
        assert_eq!(hits[0].snippet, "**found**");
        assert!(hits[0].score < 1.0 && hits[0].score > hits[1].score, "{hits:?}");
        let alone = together(Vec::new(), vec![passage("c.md", &long)], 9);
        assert!(alone[0].snippet.ends_with('…') && alone[0].snippet.chars().count() == SNIPPET_CHARS + 1);
        assert_eq!(alone[0].tags, ["a", "b"]);
    }
}
