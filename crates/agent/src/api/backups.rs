use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use steady_backup::{BackupError, Code, Thoroughness};
use steady_model::api::{Accepted, BackupRequest, Problem, RestoreRequest, VerifyRequest};
use steady_model::backup::{PointKind, RestorePlan, RestorePoint};
use steady_model::snapshot::BackupView;
use tokio::time::timeout;

use super::{Refusal, Surface};
use crate::operations::OperationError;

impl From<OperationError> for Refusal {
    fn from(e: OperationError) -> Self {
        match e {
            OperationError::Busy { .. } | OperationError::JobRuns(_) => Self::busy(e.to_string()),
            OperationError::NotConfigured
            | OperationError::NothingToUndo
            | OperationError::NothingToDrill
            | OperationError::NothingToRecover
            | OperationError::Unfinished { .. }
            | OperationError::Refused { .. } => Self::refused(e.to_string()),
            OperationError::Over { .. } => Self::over(e.to_string()),
            OperationError::TooLate { .. } => Self::too_late(e.to_string()),
            OperationError::UnknownPoint { .. }
            | OperationError::UnknownOperation { .. }
            | OperationError::UnknownCopy { .. }
            | OperationError::Backup(BackupError::Engine { code: Code::Absent, .. }) => {
                Self::not_found(e.to_string())
            }
            OperationError::Backup(BackupError::Chosen { .. } | BackupError::Place { .. }) => {
                Self::refused(e.to_string())
            }
            OperationError::Backup(BackupError::Engine { code: Code::Locked, .. }) => {
                Self::busy(e.to_string())
            }
            OperationError::Gone | OperationError::Backup(_) => Self::internal(e.to_string()),
        }
    }
}

pub(super) type Begun = Result<(StatusCode, Json<Accepted>), Refusal>;

/// A World that is behind keeps nobody waiting.
const SHOWN: Duration = Duration::from_secs(2);

/// Answers when the snapshot shows the operation: to who asks for it next, one that is not there yet would look like
/// one that is over.
pub(super) async fn begun(surface: &Surface, id: String) -> (StatusCode, Json<Accepted>) {
    let mut snapshots = surface.snapshots.clone();
    let shown = snapshots.wait_for(|s| shows(&s.backup, &id));
    let _ = timeout(SHOWN, shown).await;
    (StatusCode::ACCEPTED, Json(Accepted { id: Some(id) }))
}

fn shows(backup: &BackupView, id: &str) -> bool {
    let (runs, ended) = (backup.operation.as_ref(), backup.last_operation.as_ref());
    runs.is_some_and(|o| o.id == id) || ended.is_some_and(|o| o.id == id)
}

/// All restore points, newest first.
#[utoipa::path(get, path = "/api/v1/backups", responses((status = 200, body = Vec<RestorePoint>)))]
pub async fn list(State(surface): State<Surface>) -> Json<Vec<RestorePoint>> {
    Json(surface.snapshots.borrow().backup.points.clone())
}

/// Take a restore point now.
#[utoipa::path(post, path = "/api/v1/backups", request_body = Option<BackupRequest>,
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn take(State(surface): State<Surface>, wanted: Option<Json<BackupRequest>>) -> Begun {
    let Json(BackupRequest { reason }) = wanted.unwrap_or_default();
    let id = match reason {
        Some(reason) => surface.operations.back_up_for(&reason).await?,
        None => surface.operations.back_up(PointKind::Manual).await?,
    };
    Ok(begun(&surface, id).await)
}

/// What a restore of this point would do.
#[utoipa::path(get, path = "/api/v1/backups/{id}/plan", params(("id" = String, Path)),
    responses((status = 200, body = RestorePlan), (status = 404, body = Problem)))]
pub async fn plan(
    State(surface): State<Surface>,
    Path(id): Path<String>,
) -> Result<Json<RestorePlan>, Refusal> {
    Ok(Json(surface.operations.plan(&id, RestoreRequest::default()).await?))
}

/// What a restore of a part of this point, or to another folder, would do.
#[utoipa::path(post, path = "/api/v1/backups/{id}/plan", params(("id" = String, Path)),
    request_body = RestoreRequest,
    responses((status = 200, body = RestorePlan), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn plan_of(
    State(surface): State<Surface>,
    Path(id): Path<String>,
    Json(how): Json<RestoreRequest>,
) -> Result<Json<RestorePlan>, Refusal> {
    Ok(Json(surface.operations.plan(&id, how).await?))
}

/// Replace the data with this point: safety point, stop, swap, start, healthy, else rolled back. With `to` it is
/// written there and nothing else is touched.
#[utoipa::path(post, path = "/api/v1/backups/{id}/restore", params(("id" = String, Path)),
    request_body = Option<RestoreRequest>,
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn restore(
    State(surface): State<Surface>,
    Path(id): Path<String>,
    how: Option<Json<RestoreRequest>>,
) -> Begun {
    let Json(how) = how.unwrap_or_default();
    let id = surface.operations.restore(&id, how).await?;
    Ok(begun(&surface, id).await)
}

/// Rehearse the restore of the newest verified point: restored to a scratch folder, opened, the backend started on it.
#[utoipa::path(post, path = "/api/v1/drills", responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn drill(State(surface): State<Surface>) -> Begun {
    let id = surface.operations.drill().await?;
    Ok(begun(&surface, id).await)
}

/// Read this point back: every byte, every database, every row counted.
#[utoipa::path(post, path = "/api/v1/backups/{id}/verify", params(("id" = String, Path)),
    request_body = Option<VerifyRequest>,
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn verify(
    State(surface): State<Surface>,
    Path(id): Path<String>,
    how: Option<Json<VerifyRequest>>,
) -> Begun {
    let Json(VerifyRequest { slice, accept_losses }) = how.unwrap_or_default();
    let id = surface.operations.verify(&id, Thoroughness { slice, accept_losses }).await?;
    Ok(begun(&surface, id).await)
}

/// Try once more to end a restore that was interrupted and could not be ended when the agent started.
#[utoipa::path(post, path = "/api/v1/restores/recover",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn recover(State(surface): State<Surface>) -> Begun {
    let id = surface.operations.recover().await?;
    Ok(begun(&surface, id).await)
}

/// Bring back the data as it was before the last restore.
#[utoipa::path(post, path = "/api/v1/restores/undo",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn undo(State(surface): State<Surface>) -> Begun {
    let id = surface.operations.undo().await?;
    Ok(begun(&surface, id).await)
}
