//! What stands before the handlers: the vault's presence, the caller's place, the access line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use tokio_stream::StreamExt;

use super::error::{ApiError, Problem};
use super::{App, MAX_BODY_BYTES};
use crate::clock::Stopwatch;
use crate::rest::Rest;
use crate::token::Token;

/// Data routes answer 503 while the vault is missing: an empty list would look like lost notes.
pub async fn vault_is_readable(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let vault = app.vault.clone();
    match tokio::task::spawn_blocking(move || vault.is_reachable()).await {
        Ok(Ok(())) => next.run(request).await,
        Ok(Err(e)) => ApiError::Vault(e).into_response(),
        Err(_) => ApiError::Interrupted.into_response(),
    }
}

/// How much of a refused body is read and dropped, and for how long.
const DRAIN_BYTES: usize = 16 * MAX_BODY_BYTES;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Refuses announced bodies over the limit, after reading them away: a connection closed on unread data
/// is reset, and the client would see a broken pipe instead of the 413.
pub async fn announced_size_is_allowed(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_none_or(|length| length <= MAX_BODY_BYTES) {
        return next.run(request).await;
    }
    // Who waits for `100 Continue` has sent nothing yet, and shall not.
    if !request.headers().contains_key(EXPECT) {
        let _ = tokio::time::timeout(DRAIN_TIME, drop_body(request.into_body())).await;
    }
    let detail = format!("the request has more than {MAX_BODY_BYTES} bytes; send less at a time");
    (StatusCode::PAYLOAD_TOO_LARGE, Json(Problem::new(detail))).into_response()
}

async fn drop_body(body: Body) {
    let mut parts = body.into_data_stream();
    let mut dropped = 0;
    while let Some(Ok(part)) = parts.next().await {
        dropped += part.len();
        if dropped > DRAIN_BYTES {
            break;
        }
    }
}

/// There may be no password, so a web page in the user's browser must not be able to call: neither by its
/// own origin nor by a name of its own that it points at this machine (DNS rebinding).
pub async fn local_callers_only(request: Request, next: Next) -> Response {
    for name in [HOST, ORIGIN] {
        if let Some(stranger) = stranger(request.headers(), &name) {
            let detail = format!("brain serves this machine only, not {stranger:?} (header {name})");
            return (StatusCode::FORBIDDEN, Json(Problem::new(detail))).into_response();
        }
    }
    next.run(request).await
}

/// Answered without the token: who is here, and how it is.
const OPEN: [&str; 4] = ["/", "/health", "/api/v1/health", "/metrics"];

pub async fn bearer_only(State(token): State<Option<Token>>, request: Request, next: Next) -> Response {
    let brought = request.headers().get(AUTHORIZATION);
    let admitted = token.is_none_or(|token| {
        OPEN.contains(&request.uri().path()) || brought.is_some_and(|brought| token.admits(brought))
    });
    if admitted {
        return next.run(request).await;
    }
    let detail = "this brain asks for its token (header authorization: Bearer …)".to_owned();
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], Json(Problem::new(detail))).into_response()
}

fn stranger(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    (!is_local(&text)).then_some(text)
}

/// Whether `host[:port]` or `scheme://host[:port]` names this machine's loopback.
pub fn is_local(value: &str) -> bool {
    let authority = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What every request has, and its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID: usize = 64;

/// Drops an id that could not stand in a line of the log; the request gets one of ours then.
pub async fn ids_are_plain(mut request: Request, next: Next) -> Response {
    let is_plain = |id: &HeaderValue| {
        let bytes = id.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=MAX_ID).contains(&bytes.len()) && bytes.iter().all(allowed)
    };
    if !request.headers().get(&REQUEST_ID).is_some_and(is_plain) {
        request.headers_mut().remove(&REQUEST_ID);
    }
    next.run(request).await
}

pub async fn crowds_are_noted(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    rest.answered();
    response
}

/// One line per request: writes at info, reads at debug, our own failures at warning. No query: what
/// people search for is theirs.
pub async fn access_line(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("-").to_owned();
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), watch.millis());
    if status >= 500 {
        tracing::warn!(target: "brain.access", "{method} {path} {status} {ms} ms {id}");
    } else if matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        tracing::debug!(target: "brain.access", "{method} {path} {status} {ms} ms {id}");
    } else {
        tracing::info!(target: "brain.access", "{method} {path} {status} {ms} ms {id}");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_the_loopback_are_local() {
        for local in ["127.0.0.1:8741", "localhost", "LocalHost:1", "[::1]:8741", "http://127.0.0.1:7860"] {
            assert!(is_local(local), "{local}");
        }
        for stranger in
            ["evil.example", "http://evil.example:8741", "127.0.0.1.evil.example", "10.0.0.1", "null", ""]
        {
            assert!(!is_local(stranger), "{stranger}");
        }
    }
}
