use axum::Json;
use axum::extract::State;
use steady_model::api::{Accepted, Problem};
use steady_model::older::ImportRequest;

use super::Surface;
use super::backups::{Begun, begun};

/// Take in copies of the data directory that something else made before Steady, as restore points of their day.
#[utoipa::path(post, path = "/api/v1/backups/import", request_body = Option<ImportRequest>,
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn import(State(surface): State<Surface>, wanted: Option<Json<ImportRequest>>) -> Begun {
    let Json(ImportRequest { folders }) = wanted.unwrap_or_default();
    let id = surface.operations.import(folders).await?;
    Ok(begun(&surface, id).await)
}
