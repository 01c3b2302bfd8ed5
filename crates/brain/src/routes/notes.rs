//! The notes by what is known of them: titles, tags, links.
#![expect(unused_qualifications, reason = "utoipa repeats the types of the query parameters in its own code")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, Problem};
use crate::stores::metadata::{self, Listed, Metadata};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotesParams {
    /// Only notes with this tag, without `#`, in any case.
    tag: Option<String>,
    /// How many at most, 1 to 500, by default 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NoteList {
    notes: Vec<Listed>,
}

/// Lists notes, the last changed first; with a tag, in the order of their paths.
#[utoipa::path(get, path = "/api/v1/notes", params(NotesParams), responses(
    (status = 200, body = NoteList), (status = 400, body = Problem), (status = 500, body = Problem),
    (status = 503, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(NotesParams { tag, limit }): Query<NotesParams>,
) -> Result<Json<NoteList>, ApiError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::Invalid("limit must be 1 to 500"));
    }
    let notes = app.stores.metadata.query(move |db| metadata::list(db, tag.as_deref(), limit)).await?;
    Ok(Json(NoteList { notes }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NoteParams {
    /// The note, relative to the vault.
    path: String,
}

/// What is known of one note: tags, links and backlinks, front matter.
#[utoipa::path(get, path = "/api/v1/note", params(NoteParams), responses(
    (status = 200, body = Metadata), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 500, body = Problem), (status = 503, body = Problem)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Query(NoteParams { path }): Query<NoteParams>,
) -> Result<Json<Metadata>, ApiError> {
    let wanted = path.clone();
    let found = app.stores.metadata.query(move |db| metadata::get(db, &wanted)).await?;
    found.map(Json).ok_or(ApiError::NoNote { path })
}
