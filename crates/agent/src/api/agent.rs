use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use steady_model::api::{Accepted, Problem, ReloadPlan, ShutdownRequest};
use tokio::sync::oneshot;

use super::{Refusal, Surface};
use crate::reload::Request;

#[derive(Debug, Deserialize)]
pub struct ReloadQuery {
    #[serde(default)]
    dry_run: bool,
}

/// Read the configuration again and apply what changed; with `dry_run`, only say what would.
#[utoipa::path(post, path = "/api/v1/agent/reload",
    params(("dry_run" = Option<bool>, Query, description = "change nothing")),
    responses((status = 200, body = ReloadPlan), (status = 409, body = Problem)))]
pub async fn reload(
    State(surface): State<Surface>,
    Query(query): Query<ReloadQuery>,
) -> Result<Json<ReloadPlan>, Refusal> {
    let ending = || Refusal::busy("the agent is ending");
    let (reply, answer) = oneshot::channel();
    let request = Request { dry_run: query.dry_run, reply };
    surface.reload.send(request).await.map_err(|_| ending())?;
    let plan = answer.await.map_err(|_| ending())?;
    plan.map(Json).map_err(|e| Refusal::refused(e.to_string()))
}

/// End the agent.
#[utoipa::path(post, path = "/api/v1/agent/shutdown", request_body = ShutdownRequest,
    responses((status = 202, body = Accepted)))]
pub async fn shutdown(
    State(surface): State<Surface>,
    Json(request): Json<ShutdownRequest>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    surface.shutdown.send(request).await.map_err(|_| Refusal::busy("the agent is ending already"))?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: None })))
}
