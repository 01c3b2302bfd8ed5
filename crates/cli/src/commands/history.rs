use std::process::ExitCode;

use jiff::tz::TimeZone;
use steady_client::Client;
use steady_model::history::{HistoryPage, HistoryQuery};

use crate::{style, table};

/// Shows what one subject was in, all pages of it.
pub async fn show(
    client: &Client,
    subject: Option<String>,
    since: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut wanted = HistoryQuery { subject, since, ..HistoryQuery::default() };
    let mut page: HistoryPage = client.history(&wanted).await?;
    while let Some(earlier) = page.earlier {
        wanted.until = Some(earlier.to_string());
        let older = client.history(&wanted).await?;
        page.intervals.extend(older.intervals);
        page.earlier = older.earlier;
    }
    if json {
        style::json(&page)?;
    } else {
        let now = client.snapshot().await?.at;
        style::say(&table::history(&page, now, &TimeZone::system()));
    }
    Ok(ExitCode::SUCCESS)
}
