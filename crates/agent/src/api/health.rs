use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use steady_model::api::Liveness;
use steady_model::project::metrics::Format;

use super::Surface;
use super::pages::Kind;

/// Is the backend healthy? 503 when something critical fails or the agent hangs, 200 otherwise; the body says what.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "healthy or degraded", content_type = "application/health+json", body = Object),
    (status = 503, description = "something critical fails", content_type = "application/health+json", body = Object)))]
pub async fn health(State(surface): State<Surface>) -> Response {
    surface.pages.answer(Kind::Health)
}

/// The same under the name that its first users ask for.
#[utoipa::path(get, path = "/api/v1/health", responses(
    (status = 200, description = "healthy or degraded", content_type = "application/health+json", body = Object),
    (status = 503, description = "something critical fails", content_type = "application/health+json", body = Object)))]
pub async fn alias(state: State<Surface>) -> Response {
    health(state).await
}

/// Does the agent tick? 503 when its loop is later than it promised: that a request is answered proves little.
#[utoipa::path(get, path = "/livez", responses(
    (status = 200, body = Liveness), (status = 503, description = "the agent's loop hangs", body = Liveness)))]
pub async fn livez(State(surface): State<Surface>) -> (StatusCode, Json<Liveness>) {
    let (code, status) = match surface.pages.late() {
        None => (StatusCode::OK, "ok"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "late"),
    };
    let snapshot = surface.snapshots.borrow();
    let version = snapshot.agent.version.clone();
    (code, Json(Liveness { status: status.to_owned(), version, tick: snapshot.at }))
}

/// Are the services that should be up ready? Those that are not are named, one a line.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, content_type = "text/plain", body = String),
    (status = 503, description = "a service is not ready", content_type = "text/plain", body = String)))]
pub async fn readyz(State(surface): State<Surface>) -> Response {
    surface.pages.answer(Kind::Ready)
}

/// All figures, as Prometheus text or, when asked for, as `OpenMetrics`.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn metrics(State(surface): State<Surface>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    surface.pages.answer(Kind::Metrics(Format::preferred(accept)))
}
