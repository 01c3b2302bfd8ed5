//! Captures: a thought becomes a note in the vault's inbox.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, Problem};
use crate::clock;
use crate::stores::conversations;
use crate::vault::Capture;

const MAX_TITLE_CHARS: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
pub struct CaptureRequest {
    text: String,
    /// Without one, the text's first line.
    title: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Captured {
    id: i64,
    /// The new note, relative to the vault.
    path: String,
}

/// Keeps a text as a new note. It is found after the next index run.
#[utoipa::path(post, path = "/api/v1/capture", request_body = CaptureRequest, responses(
    (status = 201, body = Captured), (status = 400, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem), (status = 500, body = Problem), (status = 503, body = Problem)))]
pub async fn capture(
    State(app): State<Arc<App>>,
    Json(CaptureRequest { text, title }): Json<CaptureRequest>,
) -> Result<(StatusCode, Json<Captured>), ApiError> {
    let given = title.as_deref().map(str::trim).filter(|t| !t.is_empty());
    let Some(title) = given.or_else(|| text.trim().lines().next()).map(one_line) else {
        return Err(ApiError::Invalid("text is empty; there is nothing to keep"));
    };
    let at = clock::now();
    let (vault, data) = (app.vault.clone(), app.data.clone());
    let work = move |db: &mut rusqlite::Connection| {
        let refused = conversations::SPEC.refused(&data);
        let save = |id| vault.save_capture(&Capture { title: &title, text: &text }, id, at);
        conversations::capture(db, &title, at, refused, save)
    };
    let (id, path) = app.stores.conversations.call(work).await?;
    Ok((StatusCode::CREATED, Json(Captured { id, path })))
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TITLE_CHARS).collect()
}
