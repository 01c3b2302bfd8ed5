use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use steady_model::api::Problem;

/// Why a request was not done, as an HTTP answer.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub problem: Problem,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, problem: Problem { code: code.to_owned(), detail: detail.into() } }
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "busy", detail)
    }

    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", detail)
    }

    /// What was to be ended has ended already.
    pub fn over(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "over", detail)
    }

    pub fn too_late(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "too_late", detail)
    }

    /// The request itself is wrong.
    pub fn wrong(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong", detail)
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "sign in first: `steady panel` prints the link")
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.problem)).into_response()
    }
}
