//! Looking into restore points, comparing them, and removing old ones.

use std::process::ExitCode;

use anyhow::Context;
use jiff::tz::TimeZone;
use steady_client::Client;

use super::backup::choose;
use super::operation::{operation, waiting};
use crate::{contents, retention, style};

pub async fn diff(client: &Client, before: &str, after: &str, json: bool) -> anyhow::Result<ExitCode> {
    let points = client.points().await?;
    let (before, after) = (choose(&points, before)?, choose(&points, after)?);
    let looking = waiting(json, "comparing");
    let diff = client.diff(&before.id, &after.id).await;
    looking.finish_and_clear();
    let diff = diff?;
    if json {
        style::json(&diff)?;
    } else {
        style::say(&contents::diff(&diff));
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn files(client: &Client, typed: &str, path: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let points = client.points().await?;
    let point = choose(&points, typed)?;
    let looking = waiting(json, "looking into the restore point");
    let folder = client.files(&point.id, path).await;
    looking.finish_and_clear();
    let folder = folder?;
    if json {
        style::json(&folder)?;
    } else {
        style::say(&contents::folder(&folder, &TimeZone::system()));
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn prune(client: &Client, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    if dry_run {
        let looking = waiting(json, "looking what would go");
        let plan = client.prune_plan().await;
        looking.finish_and_clear();
        let plan = plan?;
        if json {
            style::json(&plan)?;
        } else {
            style::say(&retention::plan(&plan, &TimeZone::system()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let id = client.prune().await?.id.context("the agent began no removal")?;
    let last = operation(client, &id, json).await.context("the restore points were not removed")?;
    let record = last.backup.pruned.context("the agent kept no record of the removal; its log says why")?;
    if json {
        style::json(&record)?;
    } else {
        style::say(&retention::record(&record));
    }
    Ok(ExitCode::SUCCESS)
}
