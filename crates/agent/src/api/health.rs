use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use steady_model::api::Liveness;
use steady_model::check::Status;
use steady_model::project;
use steady_model::snapshot::ServiceStatus;

use super::Surface;

/// Is the backend healthy? 503 when something critical fails, 200 otherwise; the body says what.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "healthy or degraded", content_type = "application/health+json", body = Object),
    (status = 503, description = "something critical fails", content_type = "application/health+json", body = Object)))]
pub async fn health(State(surface): State<Surface>) -> impl IntoResponse {
    let snapshot = surface.snapshots.borrow().clone();
    let (code, body) = project::health::health(&snapshot, steady_clock::now().wall);
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(header::CONTENT_TYPE, "application/health+json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, body.to_string())
}

/// Does the agent tick?
#[utoipa::path(get, path = "/livez", responses((status = 200, body = Liveness)))]
pub async fn livez(State(surface): State<Surface>) -> Json<Liveness> {
    let snapshot = surface.snapshots.borrow();
    Json(Liveness { status: "ok".to_owned(), version: snapshot.agent.version.clone(), tick: snapshot.at })
}

/// Are all services ready? A one-shot that has done its work is.
#[utoipa::path(get, path = "/readyz", responses((status = 200), (status = 503)))]
pub async fn readyz(State(surface): State<Surface>) -> impl IntoResponse {
    let snapshot = surface.snapshots.borrow();
    let waiting: Vec<&str> = snapshot
        .services
        .iter()
        .filter(|s| s.state != ServiceStatus::Ready && s.status != Status::Pass)
        .map(|s| s.name.as_str())
        .collect();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", waiting.join(", ")))
    }
}
