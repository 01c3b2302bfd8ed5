//! Every error body is JSON with a `detail`.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use steady_disk::LockError;
use utoipa::ToSchema;

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
        (status, Json(Problem { detail: self.to_string(), holder, since })).into_response()
    }
}

/// Gives the framework's own plain-text refusals (404, 405, 413, 415, 422, …) the shape of ours.
pub async fn errors_are_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    if !is_error || is_json {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, 4096).await.unwrap_or_default();
    let detail = match String::from_utf8_lossy(&text).trim() {
        "" => status.canonical_reason().unwrap_or("error").to_owned(),
        text => text.to_owned(),
    };
    let body = serde_json::json!({ "detail": detail }).to_string();
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, Body::from(body))
}
