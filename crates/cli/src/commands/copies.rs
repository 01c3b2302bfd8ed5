use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use steady_client::Client;
use steady_model::backup::RestorePoint;
use steady_model::check::Status;

use super::operation::waiting;
use crate::live::wait_for;
use crate::{progress, style, table};

pub async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let copies = client.snapshot().await?.backup.copies;
    if json {
        style::json(&copies)?;
    } else {
        style::say(&table::copies(&copies));
    }
    let well = copies.iter().all(|copy| copy.status == Status::Pass);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a copy holds.
pub async fn points(client: &Client, copy: &str, json: bool) -> anyhow::Result<ExitCode> {
    let now = client.snapshot().await?.at;
    let looking = waiting(json, &format!("reading {copy}"));
    let points = client.points_of_copy(copy).await;
    looking.finish_and_clear();
    let points = points?;
    if json {
        style::json(&points)?;
    } else {
        style::say(&table::points(&points, now));
        style::say("Only verified points are copied; when they were is known where they were taken.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The point that was meant; `latest` is the newest, because only verified ones are copied.
pub fn choose<'a>(points: &'a [RestorePoint], copy: &str, typed: &str) -> anyhow::Result<&'a RestorePoint> {
    if typed == "latest" {
        return points.first().with_context(|| format!("the copy {copy} holds no restore point"));
    }
    super::backup::choose(points, typed)
        .with_context(|| format!("`steady backups --from {copy}` shows what that copy holds"))
}

/// One after the other; what failed is told at the end of all.
pub async fn make(client: &Client, name: Option<&str>, init: bool, json: bool) -> anyhow::Result<ExitCode> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => client.snapshot().await?.backup.copies.into_iter().map(|copy| copy.name).collect(),
    };
    if names.is_empty() {
        bail!("no copy is configured; add a [backup.copy.NAME] section to steady.toml");
    }
    let mut made = Vec::new();
    for name in names {
        let id = client.copy(&name, init).await?.id.context("the agent began no copy")?;
        let sign = waiting(json, &format!("copying to {name}"));
        let mut copy = None;
        wait_for(client, Duration::MAX, |s| {
            copy = s.backup.copies.iter().find(|copy| copy.name == name).cloned();
            if let Some(work) = copy.as_ref().and_then(|copy| copy.work.as_ref()) {
                sign.set_message(format!("{name}: {}", progress::line(work)));
            }
            let begun = |c: &steady_model::copy::CopyView| c.facts.attempt.as_deref() == Some(id.as_str());
            copy.as_ref().is_some_and(|c| begun(c) && !c.facts.running)
        })
        .await?;
        sign.finish_and_clear();
        made.extend(copy);
    }
    let failed = made.iter().find_map(|copy| copy.facts.error.clone());
    if json {
        style::json(&made)?;
    } else {
        style::say(&table::copies(&made));
    }
    match failed {
        Some(error) => bail!("{error}"),
        None => Ok(ExitCode::SUCCESS),
    }
}
