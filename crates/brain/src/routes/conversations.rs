//! Conversations: the data which exists nowhere else.
#![expect(unused_qualifications, reason = "utoipa repeats the types of the query parameters in its own code")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, Problem};
use crate::clock;
use crate::stores::conversations::{self, Conversation};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// How many at most, 1 to 500, by default 20.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationList {
    /// The last changed first.
    conversations: Vec<Conversation>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewConversation {
    #[schema(min_length = 1, pattern = r"\S")]
    title: String,
    text: String,
}

/// Lists conversations, the last changed first.
#[utoipa::path(get, path = "/api/v1/conversations", params(ListParams), responses(
    (status = 200, body = ConversationList), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(ListParams { limit }): Query<ListParams>,
) -> Result<Json<ConversationList>, ApiError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::Invalid("limit must be 1 to 500"));
    }
    let conversations = app.stores.conversations.query(move |db| conversations::list(db, limit)).await?;
    Ok(Json(ConversationList { conversations }))
}

/// Keeps a conversation.
#[utoipa::path(post, path = "/api/v1/conversations", request_body = NewConversation, responses(
    (status = 201, body = Conversation), (status = 400, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Json(NewConversation { title, text }): Json<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), ApiError> {
    if title.trim().is_empty() {
        return Err(ApiError::Invalid("title is empty; give the conversation a name"));
    }
    let at = clock::now();
    let made =
        app.stores.conversations.query(move |db| conversations::insert(db, title.trim(), &text, at)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Removes a conversation for good.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", params(("id" = i64, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<i64>) -> Result<StatusCode, ApiError> {
    if app.stores.conversations.query(move |db| conversations::delete(db, id)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NoConversation { id })
    }
}
