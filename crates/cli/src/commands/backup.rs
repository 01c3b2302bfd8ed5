use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use steady_client::Client;
use steady_model::backup::{RestorePoint, RestoreRecord};
use steady_model::snapshot::Snapshot;

use crate::live::wait_for;
use crate::{style, table};

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
        if let Some(drill) = &snapshot.backup.drill {
            style::say(&format!("Drills: {}", drill.phrase));
        }
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

pub fn choose<'a>(points: &'a [RestorePoint], typed: &str) -> anyhow::Result<&'a RestorePoint> {
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
pub fn agree(yes: bool, question: &str) -> anyhow::Result<()> {
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

/// The record of a restore or an undo, once it is over.
pub async fn ended(client: &Client, id: &str, json: bool) -> anyhow::Result<RestoreRecord> {
    let last = operation(client, id, json).await?;
    match (last.backup.last_error, last.backup.last_restore) {
        (Some(error), _) => bail!("{error}"),
        (None, Some(record)) => Ok(record),
        (None, None) => bail!("the agent kept no record of the restore; its log says why"),
    }
}

/// A sign on a terminal that something is under way of which no measure is known.
pub fn waiting(json: bool, what: &str) -> ProgressBar {
    let sign = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    sign.set_message(what.to_owned());
    sign.enable_steady_tick(Duration::from_millis(200));
    sign
}

/// Waits until the operation is over, with a bar on a terminal.
pub async fn operation(client: &Client, id: &str, json: bool) -> anyhow::Result<Snapshot> {
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
