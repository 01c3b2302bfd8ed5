use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use steady_client::{Client, ClientError};
use steady_model::check::Status;

use super::{
    agent, backup, check, copies, crashes, drill, history, key, logs, older, operation, points, reload,
    restore, service, up,
};
use crate::args::{BackupAction, BackupsAction, Command, CrashesAction};
use crate::{exit, live, style, table};

/// Runs a command that asks the agent.
pub fn run(home: &Path, command: Command, json: bool) -> anyhow::Result<ExitCode> {
    agent::runtime()?.block_on(async {
        let client = Client::new(home)?;
        match command {
            Command::Up { demo, config, agent_only, no_app } => {
                up::up(home, up::Choice { demo, config, agent_only, no_app }).await
            }
            Command::Status { watch: true } => live::follow(&client, json).await,
            Command::Status { watch: false } => status(&client, json).await,
            Command::Restart { services } => service::restart(&client, services, json).await,
            Command::Stop { services } => service::stop(&client, services, json).await,
            Command::Start { services } => service::start(&client, services, json).await,
            Command::Check { name, validate: true, config } => {
                check::validate(home, &client, name.as_deref(), config, json).await
            }
            Command::Check { name: Some(name), .. } => check::look(&client, &name, json).await,
            Command::Check { name: None, .. } => check::list(&client, json).await,
            Command::Run { job } => service::run_job(&client, &job, json).await,
            Command::Backup { action: None, detach, reason, .. } => {
                backup::take(&client, reason, detach, json).await
            }
            Command::Backup { action: Some(BackupAction::Cancel { id }), .. } => {
                operation::cancel(&client, id, json).await
            }
            Command::Backup { action: Some(BackupAction::Recover), .. } => {
                backup::recover(&client, json).await
            }
            Command::Backup { action: Some(BackupAction::Copy { name, init }), .. } => {
                copies::make(&client, name.as_deref(), init, json).await
            }
            Command::Backup { action: Some(BackupAction::Import { folders }), .. } => {
                older::import(&client, &folders, json).await
            }
            Command::Backup { action: Some(BackupAction::Key { output, saved, to }), .. } => {
                key::run(home, &client, key::Wish { output, saved, to, json }).await
            }
            Command::Copies => copies::list(&client, json).await,
            Command::Backups { from: Some(copy), .. } => copies::points(&client, &copy, json).await,
            Command::Backups { action: None | Some(BackupsAction::List), .. } => {
                backup::list(home, &client, json).await
            }
            Command::Backups { action: Some(BackupsAction::Show { point }), .. } => {
                backup::show(&client, &point, json).await
            }
            Command::Backups { action: Some(BackupsAction::Diff { before, after }), .. } => {
                points::diff(&client, &before, &after, json).await
            }
            Command::Backups { action: Some(BackupsAction::Files { point, path }), .. } => {
                points::files(&client, &point, path.as_deref(), json).await
            }
            Command::Prune { dry_run } => points::prune(&client, dry_run, json).await,
            Command::Verify { point, slice, accept_losses } => {
                restore::verify(&client, point.as_deref(), slice, accept_losses, json).await
            }
            Command::Drill { detach } => drill::run(&client, detach, json).await,
            Command::Restore { point, from, to, only, yes, dry_run } => {
                let consent = restore::Consent { yes, dry_run, json };
                let wanted =
                    restore::Wanted { point: &point, from: from.as_deref(), to: to.as_deref(), only: &only };
                restore::restore(&client, wanted, consent).await
            }
            Command::Undo { yes } => backup::undo(&client, yes, json).await,
            Command::Logs(wanted) => logs::show(home, &client, wanted, json).await,
            Command::Crashes { action: None | Some(CrashesAction::List) } => {
                crashes::list(&client, json).await
            }
            Command::Crashes { action: Some(CrashesAction::Show { id }) } => {
                crashes::show(&client, &id, json).await
            }
            Command::History { subject, since } => history::show(&client, subject, since, json).await,
            Command::Reload { dry_run } => reload::reload(&client, dry_run, json).await,
            Command::Panel => panel(home, &client, json).await,
            Command::Down { keep_services } => down(home, &client, keep_services).await,
            // Handled before there was a need for the agent.
            Command::Agent { .. }
            | Command::Exec { .. }
            | Command::Sink
            | Command::Engine
            | Command::Openapi
            | Command::Config { .. }
            | Command::Init { .. }
            | Command::Schema
            | Command::Completions { .. }
            | Command::Man { .. } => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn status(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = match client.snapshot().await {
        Ok(snapshot) => snapshot,
        Err(e @ ClientError::AgentGone { .. }) if json => {
            style::json(
                &serde_json::json!({ "verdict": { "status": "unknown", "sentence": e.to_string() } }),
            )?;
            return Ok(exit::NO_AGENT.into());
        }
        Err(e) => return Err(e.into()),
    };
    if json {
        style::json(&snapshot)?;
    } else {
        style::say(&table::snapshot(&snapshot));
    }
    Ok(if snapshot.verdict.status == Status::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn panel(home: &Path, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let link = crate::link::sign_in(home, &client.snapshot().await?)?;
    if json {
        style::json(&serde_json::json!({ "url": link }))?;
    } else {
        style::say(&link);
    }
    Ok(ExitCode::SUCCESS)
}

async fn down(home: &Path, client: &Client, keep_services: bool) -> anyhow::Result<ExitCode> {
    let pid = client.snapshot().await?.agent.pid;
    client.shutdown(!keep_services).await?;
    live::until_gone(home).await.with_context(|| format!("the agent (pid {pid}) was told to end"))?;
    style::say(if keep_services {
        "The agent ended; its services run on."
    } else {
        "The agent and its services ended."
    });
    Ok(ExitCode::SUCCESS)
}
