use std::process::ExitCode;

use anyhow::Context;
use steady_client::Client;
use steady_model::crash::CrashReport;

use crate::{style, table};

/// Lists all reports.
pub async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let crashes = client.crashes().await?;
    if json {
        style::json(&crashes)?;
    } else {
        style::say(&table::crashes(&crashes, client.snapshot().await?.at));
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one, by its id, a unique beginning of it, or `latest`.
pub async fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let report: CrashReport = client.crash(&whole_id(client, id).await?).await?;
    if json {
        style::json(&report)?;
    } else {
        style::say(&table::crash(&report));
    }
    Ok(ExitCode::SUCCESS)
}

async fn whole_id(client: &Client, typed: &str) -> anyhow::Result<String> {
    let all = client.crashes().await?;
    if typed == "latest" {
        return Ok(all.into_iter().next().context("there are no crash reports")?.id);
    }
    let mut fitting = all.into_iter().filter(|report| report.id.starts_with(typed));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.id),
        (Some(_), Some(_)) => anyhow::bail!("several crash reports begin with {typed}; type more of the id"),
        // The agent says what is wrong with it.
        (None, _) => Ok(typed.to_owned()),
    }
}
