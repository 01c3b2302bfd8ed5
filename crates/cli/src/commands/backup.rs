use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use steady_agent::config_file;
use steady_client::Client;
use steady_model::backup::{OperationOutcome, RestorePoint, RestoreRecord};

use super::operation::{operation, outcome};
use crate::{style, table};

pub async fn take(
    client: &Client,
    reason: Option<String>,
    detach: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let known = client.points().await?;
    let begun = match reason {
        Some(reason) => client.back_up_for(reason).await?,
        None => client.back_up().await?,
    };
    if detach {
        if json {
            style::json(&begun)?;
        } else {
            style::say("The backup began; `steady backups` shows the restore point when it is taken.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let id = begun.id.context("the agent began no backup")?;
    let (outcome, last) = outcome(client, &id, json).await?;
    let new = last.backup.points.iter().find(|p| known.iter().all(|k| k.id != p.id));
    let point = match (outcome, new) {
        (OperationOutcome::Failed { why }, _) => bail!("the backup failed: {why}"),
        (OperationOutcome::Cancelled, Some(point)) => {
            bail!("cancelled while it was verified: the restore point {} stays, not verified", point.id)
        }
        (OperationOutcome::Cancelled, None) => bail!("cancelled: no restore point was taken"),
        (OperationOutcome::Done, Some(point)) => point,
        (OperationOutcome::Done, None) => {
            bail!("the restore point is gone already; the agent's log says why")
        }
    };
    if json {
        style::json(point)?;
    } else {
        style::say(&table::points(std::slice::from_ref(point), last.at));
    }
    Ok(if point.verified.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn list(home: &Path, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    if json {
        style::json(&snapshot.backup.points)?;
    } else {
        style::say(&table::points(&snapshot.backup.points, snapshot.at));
        if let Some(drill) = &snapshot.backup.drill {
            style::say(&format!("Drills: {}", drill.phrase));
        }
        if let Some(reminder) = snapshot.backup.key.as_ref().and_then(|key| key.reminder.as_ref()) {
            style::say(reminder);
        }
        // A file that cannot be read is the agent's to tell.
        let spec = config_file::load(&home.join("steady.toml")).ok().and_then(|config| config.backup);
        for caution in spec.iter().flat_map(|spec| steady_backup::cautions(spec, home)) {
            style::say(&caution);
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

pub async fn recover(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let id = client.recover().await?.id.context("the agent began nothing")?;
    let last = operation(client, &id, json).await?;
    if json {
        style::json(&last.backup.last_restore)?;
    } else {
        style::say(
            "The interrupted restore is ended; `steady status` shows how, and what waited for it goes on.",
        );
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
    last.backup.last_restore.context("the agent kept no record of the restore; its log says why")
}
