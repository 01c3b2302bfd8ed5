//! Copies that something else made before Steady.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use steady_client::Client;

use super::operation::operation;
use crate::{style, table};

pub async fn import(client: &Client, folders: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let folders = folders.iter().map(|folder| absolute(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let known = client.points().await?;
    let id = client.import(folders).await?.id.context("the agent began no import")?;
    let last = operation(client, &id, json).await?;
    let mut new = last.backup.points;
    new.retain(|point| known.iter().all(|k| k.id != point.id) && point.imported.is_some());
    if json {
        style::json(&new)?;
    } else if new.is_empty() {
        style::say("There was nothing new to import.");
    } else {
        style::say(&table::points(&new, last.at));
        style::say("They count as restore points, and none is verified yet: `steady verify ID` reads one.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The agent runs in another folder.
fn absolute(folder: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(folder).with_context(|| format!("cannot find {}", folder.display()))?;
    Ok(path.to_str().with_context(|| format!("{} is no UTF-8", folder.display()))?.to_owned())
}
