use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use steady_model::api::{Accepted, Problem};

use super::{Refusal, Surface};

/// End the operation of this id early, or the attempt to copy. `backup.last_operation` tells when it has ended; a
/// restore can be cancelled until its services are stopped.
#[utoipa::path(delete, path = "/api/v1/operations/{id}", params(("id" = String, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel(
    State(surface): State<Surface>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    surface.operations.cancel(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: Some(id) })))
}
