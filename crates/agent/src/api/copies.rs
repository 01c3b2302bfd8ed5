use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use steady_model::api::{Accepted, Problem};
use steady_model::backup::RestorePoint;
use steady_model::copy::{CopyRequest, CopyView};

use super::{Refusal, Surface};

/// The copies of restore points in other places, by name.
#[utoipa::path(get, path = "/api/v1/copies", responses((status = 200, body = Vec<CopyView>)))]
pub async fn list(State(surface): State<Surface>) -> Json<Vec<CopyView>> {
    Json(surface.snapshots.borrow().backup.copies.clone())
}

/// Copy what is not copied yet. The id is that of the attempt, which the copy names in the snapshot.
#[utoipa::path(post, path = "/api/v1/copies/{name}", params(("name" = String, Path)),
    request_body = Option<CopyRequest>,
    responses((status = 202, body = Accepted), (status = 404, body = Problem)))]
pub async fn make(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    how: Option<Json<CopyRequest>>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let Json(CopyRequest { init }) = how.unwrap_or_default();
    let id = surface.operations.copies().begin(&name, init).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: Some(id) })))
}

/// The points that a copy holds, newest first, read from it now. A restore with `from` takes their ids.
#[utoipa::path(get, path = "/api/v1/copies/{name}/points", params(("name" = String, Path)),
    responses((status = 200, body = Vec<RestorePoint>), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 500, body = Problem)))]
pub async fn points(
    State(surface): State<Surface>,
    Path(name): Path<String>,
) -> Result<Json<Vec<RestorePoint>>, Refusal> {
    Ok(Json(surface.operations.points_of_copy(&name).await?))
}
