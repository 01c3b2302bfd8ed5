//! The index over the vault: bring it up to date, count it.
#![expect(unused_qualifications, reason = "utoipa repeats the types of the query parameters in its own code")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, Problem};
use crate::indexer::IndexReport;
use crate::stores::{lexical, tracker, vectors};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IndexParams {
    /// Read every note again instead of the changed ones.
    #[serde(default)]
    full_rebuild: bool,
}

/// Indexes what changed in the vault. Searches see the old index until the run has ended.
#[utoipa::path(post, path = "/api/v1/index", params(IndexParams), responses(
    (status = 200, body = IndexReport), (status = 400, body = Problem),
    (status = 409, body = Problem, description = "another run is at it"),
    (status = 500, body = Problem), (status = 503, body = Problem)))]
pub async fn reindex(
    State(app): State<Arc<App>>,
    Query(IndexParams { full_rebuild }): Query<IndexParams>,
) -> Result<Json<IndexReport>, ApiError> {
    // On its own: the run goes on when the client hangs up.
    let run = tokio::spawn(async move { app.indexing.request(full_rebuild).await });
    Ok(Json(run.await.map_err(|_| ApiError::Interrupted)??))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct IndexStats {
    /// Chunks that can be found.
    lexical_count: i64,
    tracked_files: i64,
    /// Chunks which the tracker counts; equal to `lexical_count` in a consistent index.
    tracked_chunks: i64,
    /// Texts with an embedding; 0 without an embedding service.
    vector_count: i64,
    /// UTC, RFC 3339; null before the first note was indexed.
    #[schema(value_type = Option<String>)]
    last_indexed_at: Option<Timestamp>,
}

/// The size of the index by both of its stores.
#[utoipa::path(get, path = "/api/v1/index/stats", responses(
    (status = 200, body = IndexStats), (status = 503, body = Problem)))]
pub async fn stats(State(app): State<Arc<App>>) -> Result<Json<IndexStats>, ApiError> {
    let lexical_count = app.stores.lexical.query(|db| lexical::count(db)).await?;
    let tracked = app.stores.tracker.query(|db| Ok((tracker::totals(db)?, tracker::last_indexed_at(db)?)));
    let ((tracked_files, tracked_chunks), last_indexed_at) = tracked.await?;
    let vector_count = app.stores.vectors.query(|db| vectors::count(db)).await?;
    Ok(Json(IndexStats { lexical_count, tracked_files, tracked_chunks, vector_count, last_indexed_at }))
}
