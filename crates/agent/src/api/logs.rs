use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use steady_model::api::{LogGap, LogLines, LogQuery, LogTail, Problem};
use steady_model::since;

use super::services::find;
use super::{Refusal, Surface};
use crate::log_stream::{self, Begin, News};

const LINES: u32 = 200;
/// A page of log is never longer.
const LINES_MAX: u32 = 10_000;
/// A pattern is refused beyond this, in bytes as typed and as compiled. Matching is linear in the text (the
/// engine never goes back), and the text that one request reads is bounded by the service's log.
const PATTERN_MAX: usize = 1000;
const PATTERN_COMPILED: usize = 1 << 20;
/// How soon a client learns that the agent is gone without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Lines of a service's log, oldest first: the newest that the query allows, across rotated and compressed files.
#[utoipa::path(get, path = "/api/v1/services/{name}/logs", params(("name" = String, Path), LogQuery),
    responses((status = 200, body = LogTail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn read(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogTail>, Refusal> {
    find(&surface, &name)?;
    let wanted = wanted(&query)?;
    let dir = surface.logs.join(&name);
    let shown = dir.display().to_string();
    let read = tokio::task::spawn_blocking(move || steady_logs::read(&dir, &wanted)).await;
    match read {
        Ok(Ok(lines)) => {
            let lines = lines.into_iter().map(|line| line.text).collect();
            Ok(Json(LogTail { service: name, lines }))
        }
        Ok(Err(e)) => Err(Refusal::internal(format!("cannot read the log in {shown}: {e}"))),
        Err(e) => Err(Refusal::internal(format!("reading the log in {shown} broke off: {e}"))),
    }
}

/// A service's log as it is written, after the lines that the query asks for. A reconnect with `Last-Event-ID`
/// goes on where it was. A client that does not keep up gets a `gap` in place of what it missed.
#[utoipa::path(get, path = "/api/v1/services/{name}/logs/stream", params(("name" = String, Path), LogQuery),
    responses(
        (status = 200, description = "events `lines` (data: LogLines) and `gap` (data: LogGap)",
         content_type = "text/event-stream", body = LogLines),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn stream(
    State(surface): State<Surface>,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    find(&surface, &name)?;
    let dir: PathBuf = surface.logs.join(&name);
    let wanted = wanted(&query)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let begin = last.map_or(Begin::With, Begin::After);
    let mut following =
        log_stream::open(&dir, wanted, begin).await.map_err(|e| Refusal::busy(e.to_string()))?;
    let stream = async_stream::stream! {
        while let Some(news) = following.next().await {
            match event(news) {
                Ok(event) => yield Ok(event),
                Err(e) => tracing::error!("log lines could not be written as JSON: {e}"),
            }
        }
    };
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn event(news: News) -> Result<Event, axum::Error> {
    match news {
        News::Lines { lines, position } => {
            let event = Event::default().event("lines");
            let event = match position {
                Some(position) => event.id(position.to_string()),
                None => event,
            };
            event.json_data(LogLines { lines })
        }
        News::Gap(lines) => Event::default().event("gap").json_data(LogGap { lines }),
    }
}

fn wanted(query: &LogQuery) -> Result<steady_logs::Query, Refusal> {
    let now = steady_clock::now().wall.0.to_zoned(TimeZone::system());
    let since = query.since.as_deref().map(|typed| since::parse(typed, &now)).transpose();
    Ok(steady_logs::Query {
        since: since.map_err(|e| Refusal::wrong(e.to_string()))?,
        grep: query.grep.as_deref().map(pattern).transpose()?,
        lines: query.lines.unwrap_or(LINES).min(LINES_MAX) as usize,
    })
}

fn pattern(typed: &str) -> Result<Regex, Refusal> {
    if typed.len() > PATTERN_MAX {
        return Err(Refusal::wrong(format!("the pattern is longer than {PATTERN_MAX} bytes")));
    }
    RegexBuilder::new(typed)
        .size_limit(PATTERN_COMPILED)
        .dfa_size_limit(PATTERN_COMPILED)
        .build()
        .map_err(|e| Refusal::wrong(format!("the pattern cannot be used: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_bounded_and_what_is_wrong_with_it_is_said() {
        let ask = |lines, since: &str, grep: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            wanted(&LogQuery { lines, since: some(since), grep: some(grep) })
        };
        assert_eq!(ask(None, "", "").unwrap().lines, 200);
        assert_eq!(ask(Some(u32::MAX), "10m", "^a").unwrap().lines, 10_000);
        for (since, grep, said) in [
            ("yesterday", "", "\"yesterday\" is no moment"),
            ("", "(", "the pattern cannot be used"),
            ("", "\\w{1000}{1000}", "the pattern cannot be used"),
            ("", &"a".repeat(1001), "longer than 1000 bytes"),
        ] {
            let refusal = ask(None, since, grep).unwrap_err();
            assert_eq!(refusal.status, axum::http::StatusCode::BAD_REQUEST);
            assert!(refusal.problem.detail.contains(said), "{}", refusal.problem.detail);
        }
    }
}
