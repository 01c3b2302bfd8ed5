use axum::Json;
use axum::extract::{Query, State};
use jiff::tz::TimeZone;
use steady_model::api::Problem;
use steady_model::history::{HistoryPage, HistoryQuery};
use steady_model::since;
use steady_model::time::WallTime;

use super::{Refusal, Surface};
use crate::history::{HistoryError, Span};

const CHANGES: u32 = 500;
/// A page is never longer.
const CHANGES_MAX: u32 = 5000;
const USUAL_SPAN: &str = "7d";

/// What was, as intervals of states, newest first; sleep and times without an agent are intervals of their own.
#[utoipa::path(get, path = "/api/v1/history", params(HistoryQuery),
    responses((status = 200, body = HistoryPage), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn read(
    State(surface): State<Surface>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryPage>, Refusal> {
    let now = steady_clock::now().wall;
    let moment = |typed: &str| -> Result<WallTime, Refusal> {
        let zoned = now.0.to_zoned(TimeZone::system());
        since::parse(typed, &zoned).map_err(|e| Refusal::wrong(e.to_string()))
    };
    let span = Span {
        subject: query.subject.unwrap_or_else(|| "overall".to_owned()),
        since: moment(query.since.as_deref().unwrap_or(USUAL_SPAN))?,
        // What began within this millisecond has begun.
        until: match &query.until {
            Some(typed) => moment(typed)?,
            None => now.after(std::time::Duration::from_secs(1)),
        },
        limit: query.limit.unwrap_or(CHANGES).clamp(1, CHANGES_MAX),
    };
    surface.history.read(span).await.map(Json).map_err(|e| match e {
        HistoryError::NoSubject { .. } => Refusal::not_found(e.to_string()),
        e => Refusal::internal(e.to_string()),
    })
}
