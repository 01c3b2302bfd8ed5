use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use steady_model::api::{Accepted, Problem};
use steady_model::backup::{PointKind, RestorePlan, RestorePoint};

use super::{Refusal, Surface};
use crate::operations::OperationError;

impl From<OperationError> for Refusal {
    fn from(e: OperationError) -> Self {
        match e {
            OperationError::Busy { .. } | OperationError::JobRuns(_) => Self::busy(e.to_string()),
            OperationError::NotConfigured
            | OperationError::NothingToUndo
            | OperationError::Refused { .. } => Self::refused(e.to_string()),
            OperationError::UnknownPoint { .. } => Self::not_found(e.to_string()),
            OperationError::Gone | OperationError::Backup(_) => Self::internal(e.to_string()),
        }
    }
}

type Begun = Result<(StatusCode, Json<Accepted>), Refusal>;

fn begun(id: String) -> (StatusCode, Json<Accepted>) {
    (StatusCode::ACCEPTED, Json(Accepted { id: Some(id) }))
}

/// All restore points, newest first.
#[utoipa::path(get, path = "/api/v1/backups", responses((status = 200, body = Vec<RestorePoint>)))]
pub async fn list(State(surface): State<Surface>) -> Json<Vec<RestorePoint>> {
    Json(surface.snapshots.borrow().backup.points.clone())
}

/// Take a restore point now.
#[utoipa::path(post, path = "/api/v1/backups",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn take(State(surface): State<Surface>) -> Begun {
    Ok(begun(surface.operations.back_up(PointKind::Manual).await?))
}

/// What a restore of this point would do.
#[utoipa::path(get, path = "/api/v1/backups/{id}/plan", params(("id" = String, Path)),
    responses((status = 200, body = RestorePlan), (status = 404, body = Problem)))]
pub async fn plan(
    State(surface): State<Surface>,
    Path(id): Path<String>,
) -> Result<Json<RestorePlan>, Refusal> {
    Ok(Json(surface.operations.plan(&id).await?))
}

/// Replace the data with this point: safety point, stop, swap, start, healthy, else rolled back.
#[utoipa::path(post, path = "/api/v1/backups/{id}/restore", params(("id" = String, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn restore(State(surface): State<Surface>, Path(id): Path<String>) -> Begun {
    Ok(begun(surface.operations.restore(&id).await?))
}

/// Bring back the data as it was before the last restore.
#[utoipa::path(post, path = "/api/v1/restores/undo",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn undo(State(surface): State<Surface>) -> Begun {
    Ok(begun(surface.operations.undo().await?))
}
