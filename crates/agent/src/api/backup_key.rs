use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use steady_model::api::{Accepted, Problem};

use super::{Refusal, Surface};

/// Look again where the key of the backups is kept, and whether a person has it elsewhere. The key itself is never
/// told here: the command line reads it, as its user.
#[utoipa::path(post, path = "/api/v1/backups/key",
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn look(State(surface): State<Surface>) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    surface.operations.key_changed().await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: None })))
}
