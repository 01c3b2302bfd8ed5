use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use steady_model::api::{Accepted, LogTail, Problem, ShutdownRequest};
use steady_supervise::ServiceHandle;

use super::{Refusal, Surface};

/// A page of log is never longer.
const LINES_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Start,
    Stop,
    Restart,
}

fn find<'a>(surface: &'a Surface, name: &str) -> Result<&'a ServiceHandle, Refusal> {
    surface.services.get(name).ok_or_else(|| {
        let known: Vec<&str> = surface.services.keys().map(String::as_str).collect();
        Refusal::not_found(format!("there is no service \"{name}\"; configured: {}", known.join(", ")))
    })
}

/// Start, stop or restart a service.
#[utoipa::path(post, path = "/api/v1/services/{name}/{command}",
    params(("name" = String, Path), ("command" = inline(Command), Path)),
    responses((status = 202, body = Accepted), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn command(
    State(surface): State<Surface>,
    Path((name, command)): Path<(String, Command)>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let service = find(&surface, &name)?;
    surface.operations.refuse_while_restoring().map_err(Refusal::busy)?;
    let sent = match command {
        Command::Start => service.start(),
        Command::Stop => service.stop(),
        Command::Restart => service.restart(),
    };
    sent.map_err(|e| Refusal::internal(e.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: None })))
}

#[derive(Debug, Deserialize)]
pub struct LogQuery {
    lines: Option<usize>,
}

/// The end of a service's log, oldest line first.
#[utoipa::path(get, path = "/api/v1/services/{name}/logs",
    params(("name" = String, Path), ("lines" = Option<usize>, Query, description = "200 unless told, at most 10000")),
    responses((status = 200, body = LogTail), (status = 404, body = Problem)))]
pub async fn logs(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogTail>, Refusal> {
    find(&surface, &name)?;
    let dir = surface.logs.join(&name);
    let lines = query.lines.unwrap_or(200).min(LINES_MAX);
    let shown = dir.display().to_string();
    let read = tokio::task::spawn_blocking(move || steady_logs::tail(&dir, lines)).await;
    match read {
        Ok(Ok(lines)) => Ok(Json(LogTail { service: name, lines })),
        Ok(Err(e)) => Err(Refusal::internal(format!("cannot read the log in {shown}: {e}"))),
        Err(e) => Err(Refusal::internal(format!("reading the log in {shown} broke off: {e}"))),
    }
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
