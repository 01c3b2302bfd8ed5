use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use serde::Deserialize;
use steady_model::api::{Accepted, Problem};
use steady_model::project::sync_status::{SyncStatus, sync_status};
use steady_model::snapshot::JobView;

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

/// One job: its freshness, its runs with their milestones, its markers, the next slot.
#[utoipa::path(get, path = "/api/v1/jobs/{name}", params(("name" = String, Path)),
    responses((status = 200, body = JobView), (status = 404, body = Problem)))]
pub async fn show(
    State(surface): State<Surface>,
    Path(name): Path<String>,
) -> Result<Json<JobView>, Refusal> {
    let snapshot = surface.snapshots.borrow().clone();
    match snapshot.jobs.iter().find(|job| job.name == name) {
        Some(job) => Ok(Json(job.clone())),
        None => {
            let known: Vec<&str> = snapshot.jobs.iter().map(|job| job.name.as_str()).collect();
            let known = known.join(", ");
            Err(Refusal::not_found(format!("there is no job \"{name}\"; configured: {known}")))
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct WhichJob {
    job: Option<String>,
}

/// The sync status in the form that its first users read: always 200, times local and without an offset.
#[utoipa::path(get, path = "/api/v1/admin/sync-status",
    params(("job" = Option<String>, Query, description = "by default the one named sync, else the first with sync in its name, else the first")),
    responses((status = 200, body = SyncStatus)))]
pub async fn status(State(surface): State<Surface>, Query(which): Query<WhichJob>) -> Json<SyncStatus> {
    let snapshot = surface.snapshots.borrow().clone();
    let job = match which.job {
        Some(name) => snapshot.jobs.iter().find(|job| job.name == name),
        None => snapshot.sync_job(),
    };
    Json(sync_status(job, &TimeZone::system(), steady_clock::now().wall))
}
