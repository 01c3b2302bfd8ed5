//! Captures: a thought becomes a note in the vault's inbox.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

use super::App;
use super::error::{ApiError, Problem};
use crate::clock;
use crate::stores::outbox;
use crate::vault::Capture;

const MAX_TITLE_CHARS: usize = 200;

#[derive(Debug, Deserialize, ToSchema)]
pub struct CaptureRequest {
    #[schema(min_length = 1, pattern = r"\S")]
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

/// Keeps a text as a new note, which is found a moment later.
#[utoipa::path(post, path = "/api/v1/capture", request_body = CaptureRequest, responses(
    (status = 201, body = Captured), (status = 400, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem), (status = 422, body = Problem), (status = 500, body = Problem),
    (status = 503, body = Problem)))]
pub async fn capture(
    State(app): State<Arc<App>>,
    Json(CaptureRequest { text, title }): Json<CaptureRequest>,
) -> Result<(StatusCode, Json<Captured>), ApiError> {
    let given = title.as_deref().map(str::trim).filter(|t| !t.is_empty());
    let Some(title) = given.or_else(|| text.trim().lines().next()).map(one_line) else {
        return Err(ApiError::Invalid("text is empty; there is nothing to keep"));
    };
    let at = clock::now();
    // On its own: a client that hangs up does not leave a note without its row.
    let kept = tokio::spawn(async move { keep(&app, title, text, at).await });
    let captured = kept.await.map_err(|_| ApiError::Interrupted)??;
    Ok((StatusCode::CREATED, Json(captured)))
}

/// First the row, then the note, then the row is due: see [`outbox`].
async fn keep(app: &App, title: String, text: String, at: Timestamp) -> Result<Captured, ApiError> {
    let outbox = &app.stores.outbox;
    let id = outbox.query(move |db| outbox::begin(db, at)).await?;
    let vault = app.vault.clone();
    let save = move || vault.save_capture(&Capture { title: &title, text: &text }, id, at);
    let path = match tokio::task::spawn_blocking(save).await.map_err(|_| ApiError::Interrupted)? {
        Ok(path) => path,
        Err(e) => {
            // Should this fail, too, the row finds no note and leaves by itself.
            let _ = outbox.query(move |db| outbox::cancel(db, id)).await;
            return Err(e.into());
        }
    };
    let written = path.clone();
    match outbox.query(move |db| outbox::ready(db, id, &written, clock::now())).await {
        Ok(()) => app.indexing.captured(),
        Err(e) => {
            // It is kept all the same: to refuse it now would make its sender send it twice.
            warn!(target: "brain.server", "the capture {path} is in the vault, but not in the outbox: {e}");
            app.indexing.changed(path.clone());
        }
    }
    Ok(Captured { id, path })
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TITLE_CHARS).collect()
}
