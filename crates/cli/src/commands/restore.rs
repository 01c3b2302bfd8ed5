//! Restores and verifications of restore points.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use steady_client::Client;
use steady_model::api::{RestoreRequest, VerifyRequest};
use steady_model::backup::{RestoreOutcome, RestorePlan, RestorePoint};
use steady_model::verification::Slice;
use steady_model::words;

use super::backup::{agree, choose, ended};
use super::copies;
use super::operation::{operation, waiting};
use crate::{plan, style};

/// What the person has agreed to on the command line.
pub struct Consent {
    pub yes: bool,
    pub dry_run: bool,
    pub json: bool,
}

/// What the person typed of a restore.
pub struct Wanted<'a> {
    pub point: &'a str,
    /// The copy that it is read from.
    pub from: Option<&'a str>,
    pub to: Option<&'a Path>,
    pub only: &'a [PathBuf],
}

pub async fn restore(client: &Client, wanted: Wanted<'_>, consent: Consent) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    let how = request(&wanted)?;
    let looking = waiting(consent.json, "looking what it would change");
    let plan = match wanted.from {
        None => client.plan(&choose(&snapshot.backup.points, wanted.point)?.id, &how).await?,
        Some(copy) => {
            let points = client.points_of_copy(copy).await?;
            client.plan(&copies::choose(&points, copy, wanted.point)?.id, &how).await?
        }
    };
    looking.finish_and_clear();
    let point = &plan.point;
    if consent.dry_run && consent.json {
        style::json(&plan)?;
    } else if !consent.json {
        style::say(&plan::plan(&plan, snapshot.at));
    }
    if consent.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(obstacle) = plan.obstacles.first() {
        bail!("the restore cannot be done: {obstacle}");
    }
    if plan.elsewhere {
        return elsewhere(client, &plan, &how, consent.json).await;
    }
    agree(consent.yes, "Restore now?")?;
    let id = client.restore(&point.id, &how).await?.id.context("the agent began no restore")?;
    in_place(client, &id, consent.json).await
}

/// The agent runs in another directory than the person who types; a relative `only` is below the data directory.
fn request(wanted: &Wanted<'_>) -> anyhow::Result<RestoreRequest> {
    let text = |path: &Path| {
        let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        anyhow::Ok(text.to_owned())
    };
    let to = wanted.to.map(|to| text(&std::path::absolute(to)?)).transpose()?;
    let only = wanted.only.iter().map(|path| text(path)).collect::<anyhow::Result<_>>()?;
    Ok(RestoreRequest { only, to, from: wanted.from.map(str::to_owned) })
}

/// Nothing is replaced: nobody is asked.
async fn elsewhere(
    client: &Client,
    plan: &RestorePlan,
    how: &RestoreRequest,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let id = client.restore(&plan.point.id, how).await?.id.context("the agent began no restore")?;
    operation(client, &id, json).await?;
    if json {
        style::json(&serde_json::json!({
            "result": "written", "point": plan.point.id, "to": plan.target, "only": plan.only,
        }))?;
    } else {
        style::say(&format!("Written and checked: {}", plan.target));
    }
    Ok(ExitCode::SUCCESS)
}

async fn in_place(client: &Client, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let record = ended(client, id, json).await?;
    if json {
        style::json(&record)?;
    }
    let (text, code) = match &record.outcome {
        RestoreOutcome::Restored => (
            "Restored, and the backend is healthy. `steady undo` brings the old state back.".to_owned(),
            ExitCode::SUCCESS,
        ),
        RestoreOutcome::RolledBack { why } => {
            (format!("Rolled back, the old state is in place: {why}"), ExitCode::FAILURE)
        }
        RestoreOutcome::Refused { why } => (format!("Nothing was changed: {why}"), ExitCode::FAILURE),
    };
    if !json {
        style::say(&text);
    }
    Ok(code)
}

pub async fn verify(
    client: &Client,
    typed: Option<&str>,
    slice: Option<Slice>,
    accept_losses: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    let points = &snapshot.backup.points;
    let point = match typed {
        Some(typed) => choose(points, typed)?,
        None => points.first().context("there is no restore point; `steady backup` takes one")?,
    };
    let how = VerifyRequest { slice, accept_losses };
    let id = client.verify(&point.id, &how).await?.id.context("the agent began no verification")?;
    let last = operation(client, &id, json).await?;
    let read = last.backup.points.iter().find(|p| p.id == point.id);
    let read = read.with_context(|| format!("the restore point {} is gone", point.id))?;
    if json {
        style::json(read)?;
    } else {
        style::say(&verdict(read));
    }
    let good = read.findings.is_empty() && read.missing.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(point: &RestorePoint) -> String {
    let id: String = point.id.chars().take(12).collect();
    let head = match (&point.reading, point.verified) {
        _ if !point.findings.is_empty() => format!("{id} is not good:"),
        _ if !point.missing.is_empty() => format!("{id} is incomplete:"),
        (Some(reading), _) => {
            format!("{id}: nothing wrong in {} of {} slices so far", reading.done.len(), reading.of)
        }
        (None, Some(_)) => format!(
            "{id} is verified: {} in {} files read back, {} databases opened and counted",
            words::bytes(point.bytes),
            point.files,
            point.stores.len()
        ),
        (None, None) => format!("{id} is not verified"),
    };
    let wrong = point.findings.iter().map(|f| &f.text).chain(&point.missing);
    std::iter::once(head).chain(wrong.map(|w| format!("  {w}"))).collect::<Vec<_>>().join("\n")
}
