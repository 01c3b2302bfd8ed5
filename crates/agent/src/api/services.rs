use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use steady_model::api::{Accepted, Problem};
use steady_supervise::ServiceHandle;

use super::{Refusal, Surface};

#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Start,
    Stop,
    Restart,
}

pub fn find(surface: &Surface, name: &str) -> Result<ServiceHandle, Refusal> {
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
    if let (Some(held), Command::Start | Command::Restart) = (surface.stack.held(&name), command) {
        return Err(Refusal::busy(format!("{name} waits: {held}; then `steady backup recover` starts it")));
    }
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
    let stack = surface.stack.clone();
    match command {
        Command::Start => stack.start_all().map_err(|e| Refusal::internal(e.to_string()))?,
        Command::Stop => drop(tokio::spawn(async move { stack.stop_all().await })),
        Command::Restart => drop(tokio::spawn(async move { stack.restart_all().await })),
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: None })))
}
