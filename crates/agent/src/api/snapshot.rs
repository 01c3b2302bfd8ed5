use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use steady_model::snapshot::Snapshot;

use super::Surface;

/// How soon a client learns that the agent is gone without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// All that is true now.
#[utoipa::path(get, path = "/api/v1/snapshot", responses((status = 200, body = Snapshot)))]
pub async fn snapshot(State(surface): State<Surface>) -> Json<Snapshot> {
    Json(surface.snapshots.borrow().as_ref().clone())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Watch {
    /// `false`: this client shows no figures of processes, and they need not be sampled often for it.
    figures: Option<bool>,
}

/// Every snapshot from now on, the present one first. A slow reader skips to the newest.
#[utoipa::path(get, path = "/api/v1/events", params(Watch), responses(
    (status = 200, description = "events `snapshot` whose data is a Snapshot", content_type = "text/event-stream", body = String)))]
pub async fn events(
    State(surface): State<Surface>,
    Query(watch): Query<Watch>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let looking = (watch.figures != Some(false)).then(|| surface.lookers.look());
    let mut snapshots = surface.snapshots.clone();
    snapshots.mark_changed();
    let stream = async_stream::stream! {
        // Ends with the connection.
        let _looking = looking;
        while snapshots.changed().await.is_ok() {
            let snapshot = snapshots.borrow_and_update().clone();
            let event = Event::default().event("snapshot").id(snapshot.version.to_string());
            match event.json_data(&*snapshot) {
                Ok(event) => yield Ok(event),
                Err(e) => tracing::error!("a snapshot could not be written as JSON: {e}"),
            }
        }
    };
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
