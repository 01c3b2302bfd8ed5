use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use steady_model::api::{Accepted, LogTail, Problem};
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

fn find(surface: &Surface, name: &str) -> Result<ServiceHandle, Refusal> {
    surface.stack.service(name).ok_or_else(|| {
        let known = surface.stack.names().join(", ");
        Refusal::not_found(format!("there is no service \"{name}\"; configured: {known}"))
    })
}

/// Start, stop or restart a service. A start begins with what the service needs.
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
        Command::Start => surface.stack.start(&name),
        Command::Stop => service.stop(),
        Command::Restart => surface.stack.restart(&name),
    };
    sent.map_err(|e| Refusal::internal(e.to_string()))?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: None })))
}

/// Start, stop or restart all services: started after what they need, stopped before it.
#[utoipa::path(post, path = "/api/v1/services/{command}",
    params(("command" = inline(Command), Path)),
    responses((status = 202, body = Accepted), (status = 409, body = Problem)))]
pub async fn command_all(
    State(surface): State<Surface>,
    Path(command): Path<Command>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    surface.operations.refuse_while_restoring().map_err(Refusal::busy)?;
    let stack = surface.stack;
    match command {
        Command::Start => stack.start_all().map_err(|e| Refusal::internal(e.to_string()))?,
        Command::Stop => drop(tokio::spawn(async move { stack.stop_all().await })),
        Command::Restart => drop(tokio::spawn(async move { stack.restart_all().await })),
    }
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
