//! The HTTP surface: thin handlers over the stores, one file per noun.

mod admin;
mod capture;
mod conversations;
mod error;
mod guard;
mod index;
mod notes;
mod search;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tower_http::limit::RequestBodyLimitLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::embedding::Embedder;
use crate::indexing::Indexing;
use crate::stores::Stores;
use crate::vault::Vault;

/// Larger requests are refused with 413.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What every handler may use.
#[derive(Debug, Clone)]
pub struct App {
    pub vault: Vault,
    pub data: PathBuf,
    pub stores: Stores,
    pub indexing: Indexing,
    /// Without one, notes are found by their words only.
    pub embedder: Option<Arc<Embedder>>,
}

#[derive(OpenApi)]
#[openapi(info(title = "brain", description = "A small second brain: notes, captures, conversations."))]
struct Document;

/// All routes with their guards, outermost first: access line, origin, error shape, body limit, vault.
pub fn router(app: App) -> axum::Router {
    let app = Arc::new(app);
    let data = OpenApiRouter::new()
        .routes(routes!(search::search))
        .routes(routes!(index::reindex))
        .routes(routes!(index::stats))
        .routes(routes!(notes::list))
        .routes(routes!(notes::get))
        .routes(routes!(capture::capture))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::remove))
        .routes(routes!(usage::totals))
        .layer(from_fn_with_state(Arc::clone(&app), guard::vault_is_readable));
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(admin::identity))
        .routes(routes!(admin::health))
        .routes(routes!(admin::health_v1))
        .routes(routes!(admin::sync_status))
        .merge(data)
        .split_for_parts();
    let document = Arc::new(document);
    router
        .route("/api/openapi.json", get(move || async move { Json(Arc::clone(&document)) }))
        .layer(DefaultBodyLimit::disable())
        // Counts the bytes of bodies which do not announce their size.
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(from_fn(guard::announced_size_is_allowed))
        .layer(from_fn(error::errors_are_json))
        .layer(from_fn(guard::local_callers_only))
        .layer(from_fn(guard::access_line))
        .with_state(app)
}
