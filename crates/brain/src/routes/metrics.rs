//! Metrics, for Prometheus or anybody else who reads `OpenMetrics`.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, Problem};
use super::{App, admin};
use crate::clock::Stopwatch;
use crate::metrics::{Metrics, Seen};
use crate::stores::tracker;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Whoever asks for what is not there may ask for anything: one name for all of it.
const NO_ROUTE: &str = "none";

pub async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    metrics.answered(method.as_str(), &route, response.status().as_u16(), watch.elapsed());
    response
}

/// Requests, index, outbox, daily job and stores, as `OpenMetrics` text.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"),
    (status = 500, body = Problem), (status = 503, body = Problem)))]
pub async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let totals = app.stores.tracker.query(|db| Ok((tracker::totals(db)?, tracker::last_indexed_at(db)?)));
    let ((notes, chunks), last_indexed) = totals.await?;
    let seen = admin::observed(&app).await?;
    let (data, stores) = (app.data.clone(), app.stores.clone());
    let stores = tokio::task::spawn_blocking(move || stores.sizes(&data)).await;
    let seen = Seen {
        vault_readable: seen.vault.is_ok(),
        notes,
        chunks,
        last_indexed,
        outbox: seen.outbox,
        sync: seen.sync,
        free_bytes: seen.free_bytes,
        stores: stores.map_err(|_| ApiError::Interrupted)?,
        embedding_available: app.embedder.as_ref().map(|embedder| embedder.is_asked()),
    };
    let text = app.metrics.text(&seen).map_err(|_| ApiError::Invalid("the metrics could not be written"))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
