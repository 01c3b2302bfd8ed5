use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use steady_client::Client;
use steady_model::backup::{RestoreOutcome, RestorePoint, RestoreRecord};
use steady_model::snapshot::Snapshot;

use crate::live::wait_for;
use crate::{style, table};

/// What the person has agreed to on the command line.
pub struct Consent {
    pub yes: bool,
    pub dry_run: bool,
    pub json: bool,
}

pub async fn take(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let known = client.points().await?;
    let id = client.back_up().await?.id.context("the agent began no backup")?;
    let last = operation(client, &id, json).await?;
    let new = last.backup.points.iter().find(|p| known.iter().all(|k| k.id != p.id));
    let Some(point) = new else {
        bail!(
            "no restore point was taken: {}",
            last.backup.last_error.as_deref().unwrap_or("the agent's log says why")
        );
    };
    if json {
        style::json(point)?;
    } else {
        style::say(&table::points(std::slice::from_ref(point), last.at));
    }
    Ok(if point.verified.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    if json {
        style::json(&snapshot.backup.points)?;
    } else {
        style::say(&table::points(&snapshot.backup.points, snapshot.at));
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn show(client: &Client, typed: &str, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    let point = choose(&snapshot.backup.points, typed)?;
    if json {
        style::json(point)?;
    } else {
        style::say(&crate::point::point(point, snapshot.at));
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn restore(client: &Client, typed: &str, consent: Consent) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    let point = choose(&snapshot.backup.points, typed)?;
    let plan = client.plan(&point.id).await?;
    if consent.dry_run && consent.json {
        style::json(&plan)?;
    } else if !consent.json {
        style::say(&table::plan(&plan, snapshot.at));
    }
    if consent.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(obstacle) = plan.obstacles.first() {
        bail!("the restore cannot be done: {obstacle}");
    }
    agree(consent.yes, "Restore now?")?;
    let id = client.restore(&point.id).await?.id.context("the agent began no restore")?;
    finish(client, &id, consent.json).await
}

pub async fn undo(client: &Client, yes: bool, json: bool) -> anyhow::Result<ExitCode> {
    agree(yes, "Bring back the data as it was before the last restore?")?;
    let id = client.undo().await?.id.context("the agent began no undo")?;
    let record = ended(client, &id, json).await?;
    if json {
        style::json(&record)?;
    } else {
        style::say("Undone: the data are as they were before the restore, and the backend is healthy.");
    }
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(points: &'a [RestorePoint], typed: &str) -> anyhow::Result<&'a RestorePoint> {
    if typed == "latest" {
        return points
            .iter()
            .find(|p| p.verified.is_some())
            .context("there is no verified restore point; `steady backup` takes one");
    }
    let mut matching = points.iter().filter(|p| p.id.starts_with(typed));
    match (matching.next(), matching.next()) {
        (Some(point), None) => Ok(point),
        (Some(_), Some(_)) => bail!("more than one restore point begins with {typed}; type more of it"),
        (None, _) => bail!("there is no restore point {typed}; `steady backups` shows them"),
    }
}

/// No answer is no: a script must say `--yes`.
fn agree(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let term = console::Term::stderr();
    if !console::user_attended() {
        bail!("nothing was changed: without a terminal to ask on, say --yes");
    }
    term.write_str(&format!("{question} Type yes: "))?;
    if term.read_line()?.trim() == "yes" { Ok(()) } else { bail!("nothing was changed") }
}

async fn finish(client: &Client, id: &str, json: bool) -> anyhow::Result<ExitCode> {
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

/// The record of a restore or an undo, once it is over.
async fn ended(client: &Client, id: &str, json: bool) -> anyhow::Result<RestoreRecord> {
    let last = operation(client, id, json).await?;
    match (last.backup.last_error, last.backup.last_restore) {
        (Some(error), _) => bail!("{error}"),
        (None, Some(record)) => Ok(record),
        (None, None) => bail!("the agent kept no record of the restore; its log says why"),
    }
}

/// Waits until the operation is over, with a bar on a terminal.
async fn operation(client: &Client, id: &str, json: bool) -> anyhow::Result<Snapshot> {
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {wide_msg}")?);
    let last = wait_for(client, Duration::MAX, |s| match &s.backup.operation {
        Some(op) if op.id == id => {
            bar.set_length(op.total_bytes);
            bar.set_position(op.done_bytes);
            bar.set_message(op.phase.clone());
            false
        }
        _ => true,
    })
    .await?;
    bar.finish_and_clear();
    Ok(last)
}
