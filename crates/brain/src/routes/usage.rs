//! The ledger of what cost time or money.
#![expect(unused_qualifications, reason = "utoipa repeats the types of the query parameters in its own code")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::error::{ApiError, Problem};
use crate::clock;
use crate::stores::usage::{self, Total};

const DEFAULT_DAYS: u32 = 30;
const MAX_DAYS: u32 = 90;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParams {
    /// How far back, 1 to 90, by default 30.
    #[param(minimum = 1, maximum = 90)]
    days: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    days: u32,
    /// By operation and model.
    totals: Vec<Total>,
}

/// Sums index runs and calls of the embedding service over the last days.
#[utoipa::path(get, path = "/api/v1/usage", params(UsageParams), responses(
    (status = 200, body = Usage), (status = 400, body = Problem), (status = 500, body = Problem),
    (status = 503, body = Problem)))]
pub async fn totals(
    State(app): State<Arc<App>>,
    Query(UsageParams { days }): Query<UsageParams>,
) -> Result<Json<Usage>, ApiError> {
    let days = days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::Invalid("days must be 1 to 90"));
    }
    let since = clock::now().checked_sub((i64::from(days) * 24).hours()).unwrap_or(Timestamp::MIN);
    let totals = app.stores.usage.query(move |db| usage::totals(db, since)).await?;
    Ok(Json(Usage { days, totals }))
}
