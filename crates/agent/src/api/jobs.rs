use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use steady_model::api::{Accepted, Problem};

use super::{Refusal, Surface};

/// Run a job now.
#[utoipa::path(post, path = "/api/v1/jobs/{name}/run", params(("name" = String, Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn run(
    State(surface): State<Surface>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let Some(job) = surface.jobs.get(&name) else {
        let known = surface.jobs.names().join(", ");
        return Err(Refusal::not_found(format!("there is no job \"{name}\"; configured: {known}")));
    };
    surface.operations.refuse_while_restoring().map_err(Refusal::busy)?;
    let id = job.run_now().await.map_err(|e| Refusal::busy(e.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: Some(id) })))
}
