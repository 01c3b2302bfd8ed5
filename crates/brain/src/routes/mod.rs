//! The HTTP surface: thin handlers over the stores, one file per noun.

mod admin;
mod capture;
mod conversations;
mod error;
mod guard;
mod index;
mod metrics;
mod notes;
mod search;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::embedding::Embedder;
use crate::indexing::Indexing;
use crate::metrics::Metrics;
use crate::rest::Rest;
use crate::stores::Stores;
use crate::token::Token;
use crate::vault::Vault;
use error::Problem;

pub use guard::is_local;

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
    pub metrics: Metrics,
    pub rest: Rest,
}

#[derive(OpenApi)]
#[openapi(info(title = "brain", description = "A small second brain: notes, captures, conversations."))]
struct Document;

/// All routes with their guards, outermost first: request id, access line, counting, origin, error shape, panics,
/// token, body limit, vault. Pages of `origins` may read the answers, no other page.
pub fn router(app: App, origins: Vec<HeaderValue>, token: Option<Token>) -> axum::Router {
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
        .routes(routes!(metrics::metrics))
        .merge(data)
        .split_for_parts();
    let document = Arc::new(document);
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, guard::REQUEST_ID])
        .expose_headers([guard::REQUEST_ID]);
    router
        .route("/api/openapi.json", get(move || async move { Json(Arc::clone(&document)) }))
        .layer(DefaultBodyLimit::disable())
        // Counts the bytes of bodies which do not announce their size.
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(from_fn(guard::announced_size_is_allowed))
        .layer(from_fn_with_state(token, guard::bearer_only))
        .layer(CatchPanicLayer::custom(|_| panicked()))
        .layer(from_fn(error::errors_are_json))
        .layer(cors)
        .layer(from_fn(guard::local_callers_only))
        .layer(from_fn_with_state(app.metrics.clone(), metrics::count))
        .layer(from_fn_with_state(app.rest.clone(), guard::crowds_are_noted))
        .layer(from_fn(guard::access_line))
        .layer(PropagateRequestIdLayer::new(guard::REQUEST_ID))
        .layer(SetRequestIdLayer::new(guard::REQUEST_ID, MakeRequestUuid))
        .layer(from_fn(guard::ids_are_plain))
        .with_state(app)
}

/// What panicked is in the log and in its report.
fn panicked() -> Response {
    let problem =
        Problem::new("brain failed at this request; its log and the folder `crashes` say how".to_owned());
    (StatusCode::INTERNAL_SERVER_ERROR, Json(problem)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::extract::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_answers_an_error_with_its_requests_id() {
        async fn fails() {
            panic!("on purpose");
        }
        let router = axum::Router::new()
            .route("/", get(fails))
            .layer(CatchPanicLayer::custom(|_| panicked()))
            .layer(from_fn(error::errors_are_json));
        let request =
            Request::get("/").header("x-request-id", "abc").body(axum::body::Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 500);
        let body: serde_json::Value =
            serde_json::from_slice(&to_bytes(answer.into_body(), 4096).await.unwrap()).unwrap();
        assert_eq!(body["request_id"], "abc");
        assert!(body["detail"].as_str().unwrap().contains("crashes"), "{body}");
    }
}
