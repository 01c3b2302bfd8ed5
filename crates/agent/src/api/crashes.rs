use axum::Json;
use axum::extract::{Path, State};
use steady_crash::CrashError;
use steady_model::api::Problem;
use steady_model::crash::{CrashReport, CrashSummary};

use super::{Refusal, Surface};

/// All crash reports, of services and of Steady's own programs, newest first.
#[utoipa::path(get, path = "/api/v1/crashes", responses((status = 200, body = Vec<CrashSummary>)))]
pub async fn list(State(surface): State<Surface>) -> Json<Vec<CrashSummary>> {
    Json(surface.crashes.listed().borrow().to_vec())
}

/// One crash report: cause, command, environment without secrets, the end of the log.
#[utoipa::path(get, path = "/api/v1/crashes/{id}", params(("id" = String, Path)),
    responses((status = 200, body = CrashReport), (status = 404, body = Problem)))]
pub async fn show(
    State(surface): State<Surface>,
    Path(id): Path<String>,
) -> Result<Json<CrashReport>, Refusal> {
    surface.crashes.read(&id).await.map(Json).map_err(|e| match e {
        CrashError::NoId { .. } | CrashError::NotFound { .. } => Refusal::not_found(e.to_string()),
        e => Refusal::internal(e.to_string()),
    })
}
