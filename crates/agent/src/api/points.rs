//! Looking into restore points, comparing them, and removing old ones.

use axum::Json;
use axum::extract::{Path, Query, State};
use steady_model::api::{Accepted, FolderQuery, Problem};
use steady_model::contents::{PointDiff, PointFolder};
use steady_model::retention::PrunePlan;

use super::backups::{Begun, begun};
use super::{Refusal, Surface};

/// What lies in one folder of this point, with sizes, times and classes.
#[utoipa::path(get, path = "/api/v1/backups/{id}/files", params(("id" = String, Path), FolderQuery),
    responses((status = 200, body = PointFolder), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn files(
    State(surface): State<Surface>,
    Path(id): Path<String>,
    Query(FolderQuery { path }): Query<FolderQuery>,
) -> Result<Json<PointFolder>, Refusal> {
    let path = path.unwrap_or_default();
    Ok(Json(surface.operations.files(&id, path.as_ref()).await?))
}

/// What changed from this point to the other: files by content, databases by rows per table.
#[utoipa::path(get, path = "/api/v1/backups/{id}/diff/{other}",
    params(("id" = String, Path), ("other" = String, Path)),
    responses((status = 200, body = PointDiff), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn diff(
    State(surface): State<Surface>,
    Path((id, other)): Path<(String, String)>,
) -> Result<Json<PointDiff>, Refusal> {
    Ok(Json(surface.operations.diff(&id, &other).await?))
}

/// Which restore points would stay and which would go, each with its reasons, and the bytes that this would free.
#[utoipa::path(get, path = "/api/v1/backups/prune",
    responses((status = 200, body = PrunePlan), (status = 409, body = Problem)))]
pub async fn prune_plan(State(surface): State<Surface>) -> Result<Json<PrunePlan>, Refusal> {
    Ok(Json(surface.operations.prune_plan().await?))
}

/// Remove the restore points that `backup.keep` does not keep.
#[utoipa::path(post, path = "/api/v1/backups/prune",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn prune(State(surface): State<Surface>) -> Begun {
    let id = surface.operations.prune().await?;
    Ok(begun(&surface, id).await)
}
