//! Every error body is JSON with a `detail`.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use steady_disk::LockError;
use utoipa::ToSchema;

use super::guard::REQUEST_ID;
use crate::indexer::IndexError;
use crate::stores::connection::StoreError;
use crate::vault::VaultError;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What failed and what to do.
    pub detail: String,
    /// With 409: who is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// With 409: since when, UTC, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The request's id: in the header `x-request-id` and in the log, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    pub fn new(detail: String) -> Self {
        Self { detail, holder: None, since: None, request_id: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    Invalid(&'static str),
    #[error("there is no conversation {id}")]
    NoConversation { id: i64 },
    #[error("there is no note {path:?} in the index")]
    NoNote { path: String },
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the request was cut off by the end of the program; try again")]
    Interrupted,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NoConversation { .. } | Self::NoNote { .. } => StatusCode::NOT_FOUND,
            Self::Index(IndexError::Locked(LockError::Held { .. })) => StatusCode::CONFLICT,
            Self::Vault(e) | Self::Index(IndexError::Vault(e)) => match e {
                VaultError::Missing { .. }
                | VaultError::NotADirectory { .. }
                | VaultError::Unreadable { .. }
                | VaultError::Emptied { .. } => StatusCode::SERVICE_UNAVAILABLE,
                VaultError::CreateInbox { .. } | VaultError::Write(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) | Self::Index(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(target: "brain.server", "{self}");
        }
        let (holder, since) = match &self {
            Self::Index(IndexError::Locked(LockError::Held { holder: Some(h), .. })) => {
                (Some(format!("{} (pid {})", h.what, h.pid)), Some(h.since.clone()))
            }
            _ => (None, None),
        };
        (status, Json(Problem { holder, since, ..Problem::new(self.to_string()) })).into_response()
    }
}

/// An error's body is small; what is larger is none of ours.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Gives the framework's own plain-text refusals (404, 405, 413, 415, 422, …) the shape of ours, and each the id of its
/// request, by which it is found in the log.
pub async fn errors_are_json(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_ERROR_BYTES).await.unwrap_or_default();
    let mut problem = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(ours)) if ours.contains_key("detail") => ours,
        // An answer of its own that only has the status of an error, as `/health`.
        Ok(Value::Object(_)) => return Response::from_parts(head, Body::from(bytes)),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            let text = match text.trim() {
                "" => status.canonical_reason().unwrap_or("error"),
                text => text,
            };
            Map::from_iter([("detail".to_owned(), Value::from(text))])
        }
    };
    problem.extend(id.map(|id| ("request_id".to_owned(), Value::from(id))));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, Body::from(Value::Object(problem).to_string()))
}
