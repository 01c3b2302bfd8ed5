use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use steady_model::api::{CheckLook, Problem};
use steady_model::config::{Check, CheckKind};
use steady_model::snapshot::CheckView;
use steady_model::words;

use super::{Refusal, Surface};

/// Beyond a check's own timeout: a look that is under way is waited for as well.
const MARGIN: Duration = Duration::from_secs(2);

/// A check as it is judged now.
#[utoipa::path(get, path = "/api/v1/checks/{name}", params(("name" = String, Path)),
    responses((status = 200, body = CheckView), (status = 404, body = Problem)))]
pub async fn show(
    State(surface): State<Surface>,
    Path(name): Path<String>,
) -> Result<Json<CheckView>, Refusal> {
    let snapshot = surface.snapshots.borrow();
    let view = snapshot.checks.iter().find(|c| c.name == name);
    view.cloned().map(Json).ok_or_else(|| {
        let known: Vec<&str> = snapshot.checks.iter().map(|c| c.name.as_str()).collect();
        Refusal::not_found(format!("there is no check \"{name}\"; there are: {}", known.join(", ")))
    })
}

/// Look now; answers what that look saw.
#[utoipa::path(post, path = "/api/v1/checks/{name}/run", params(("name" = String, Path)),
    responses((status = 200, body = CheckLook), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn run(
    State(surface): State<Surface>,
    Path(name): Path<String>,
) -> Result<Json<CheckLook>, Refusal> {
    let check = find(&surface, &name)?;
    if matches!(check.kind, CheckKind::Usage { .. }) {
        return Err(Refusal::refused(format!(
            "{name} is judged by the figures of its service, which are sampled anyway; `steady check` shows it"
        )));
    }
    // One that is under way goes to its end first.
    let limit = check.probe.timeout * 2 + MARGIN;
    let ending = || Refusal::busy("the agent is ending");
    let answer = surface.looks.look(&name).await.ok_or_else(ending)?;
    let answered = tokio::time::timeout(limit, answer).await.map_err(|_| {
        let waited = words::span(limit);
        Refusal::busy(format!(
            "{name} did not look within {waited}; checks are held back after a wake, try again"
        ))
    })?;
    let seen = answered.map_err(|_| ending())?;
    Ok(Json(CheckLook::new(&name, check.kind.name(), &seen)))
}

fn find(surface: &Surface, name: &str) -> Result<Check, Refusal> {
    let config = surface.stack.config();
    config.checks.iter().find(|c| c.name == name).cloned().ok_or_else(|| {
        let known: Vec<&str> = config.checks.iter().map(|c| c.name.as_str()).collect();
        Refusal::not_found(format!("there is no check \"{name}\"; configured: {}", known.join(", ")))
    })
}
