//! Identity, health and the state of the daily job: answered also when the vault is gone.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, Problem};
use crate::clock;
use crate::health::{self, Health, Observed, Status};
use crate::markers::{self, SyncStatus};

#[derive(Debug, Serialize, ToSchema)]
pub struct Identity {
    /// Always `brain`.
    name: &'static str,
    version: &'static str,
}

/// Who answers on this port.
#[utoipa::path(get, path = "/", responses((status = 200, body = Identity)))]
pub async fn identity() -> Json<Identity> {
    Json(Identity { name: "brain", version: env!("CARGO_PKG_VERSION") })
}

/// What health and metrics are made of.
pub async fn observed(app: &App) -> Result<Observed, ApiError> {
    let now = clock::now();
    let outbox = app.stores.outbox_status(now).await.ok();
    let (vault, data) = (app.vault.clone(), app.data.clone());
    let under_way = app.indexing.is_under_way();
    let observe = tokio::task::spawn_blocking(move || health::observe(&vault, &data, outbox, under_way, now));
    observe.await.map_err(|_| ApiError::Interrupted)
}

/// Vault, disk, sync, index and outbox, worst-of.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, body = Health, description = "ok or warning"), (status = 503, body = Health, description = "error")))]
pub async fn health(State(app): State<Arc<App>>) -> Result<(StatusCode, Json<Health>), ApiError> {
    let health = health::assess(&observed(&app).await?);
    let code = match health.status {
        Status::Ok | Status::Warning => StatusCode::OK,
        Status::Error => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((code, Json(health)))
}

/// The same as `/health`, for clients behind a proxy of `/api/v1`.
#[utoipa::path(get, path = "/api/v1/health", responses(
    (status = 200, body = Health, description = "ok or warning"), (status = 503, body = Health, description = "error")))]
pub async fn health_v1(app: State<Arc<App>>) -> Result<(StatusCode, Json<Health>), ApiError> {
    health(app).await
}

/// When the daily job last succeeded, and whether it failed since.
#[utoipa::path(get, path = "/api/v1/admin/sync-status", responses(
    (status = 200, body = SyncStatus), (status = 503, body = Problem)))]
pub async fn sync_status(State(app): State<Arc<App>>) -> Result<Json<SyncStatus>, ApiError> {
    let now = clock::now();
    let read = tokio::task::spawn_blocking(move || {
        let zone = TimeZone::system();
        let completed = markers::read(&app.data.join(markers::COMPLETED), &zone);
        let failed = markers::read(&app.data.join(markers::FAILED), &zone);
        markers::judge(&completed, &failed, now)
    });
    Ok(Json(read.await.map_err(|_| ApiError::Interrupted)?.into()))
}
