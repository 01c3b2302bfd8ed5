//! Search over the notes.
#![expect(unused_qualifications, reason = "utoipa repeats the types of the query parameters in its own code")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, Problem};
use crate::search::{self, Found, Mode};
use crate::stores::lexical::Hit;

/// At the start, and while a lost index is built again.
const UNDER_WAY: &str = "the index is being compared with the vault; notes may be missing for a moment";
const MAX_QUERY_BYTES: usize = 1024;
const DEFAULT_LIMIT: u32 = 10;
const MAX_LIMIT: u32 = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// What to look for, as typed: no query syntax, at most 1024 bytes.
    q: String,
    /// How many notes at most, 1 to 100, by default 10.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    query: String,
    count: usize,
    mode: Mode,
    /// Why the results may be worse than they should be; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    /// Best first.
    results: Vec<Hit>,
}

/// Finds notes by their words, and by their meaning when an embedding service is set; best first.
#[utoipa::path(get, path = "/api/v1/search", params(SearchParams), responses(
    (status = 200, body = SearchAnswer), (status = 400, body = Problem), (status = 500, body = Problem),
    (status = 503, body = Problem)))]
pub async fn search(
    State(app): State<Arc<App>>,
    Query(SearchParams { q, limit }): Query<SearchParams>,
) -> Result<Json<SearchAnswer>, ApiError> {
    if q.len() > MAX_QUERY_BYTES {
        return Err(ApiError::Invalid("q is longer than 1024 bytes; search for fewer words"));
    }
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::Invalid("limit must be 1 to 100"));
    }
    let Found { hits, mode, degraded } =
        search::search(&app.stores, app.embedder.as_deref(), q.clone(), limit).await?;
    let incomplete = (!app.indexing.is_complete()).then(|| UNDER_WAY.to_owned());
    let degraded = degraded.or(incomplete);
    Ok(Json(SearchAnswer { query: q, count: hits.len(), mode, degraded, results: hits }))
}
