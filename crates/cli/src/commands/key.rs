//! The key of the backups. This program reads it itself: the agent's API never tells it, whoever has a token.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use steady_agent::config_file;
use steady_backup::{Backups, EngineCommand};
use steady_client::{Client, ClientError};
use steady_model::config;
use steady_model::key::KeptIn;

use super::operation::waiting;
use crate::sheet::Sheet;
use crate::style;

pub struct Wish {
    pub output: Option<PathBuf>,
    pub saved: bool,
    pub to: Option<KeptIn>,
    pub json: bool,
}

pub async fn run(home: &Path, client: &Client, wish: Wish) -> anyhow::Result<ExitCode> {
    let file = home.join("steady.toml");
    let config = config_file::load(&file)?;
    let Some(spec) = config.backup else {
        bail!(
            "backup is not configured; add a [backup] section with the data directory to {}",
            file.display()
        );
    };
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let args = vec!["engine".into(), "--home".into(), home.into()];
    let backups = Backups::open(home, &spec, EngineCommand { program, args })?;
    if backups.key_kept()?.is_none() {
        bail!("there is no key yet; it is made with the first backup: `steady backup`");
    }
    if let Some(to) = wish.to {
        backups.move_key(to).await?;
        tell(client).await?;
        return done(&backups, wish.json, &format!("The key is kept in the {to} now."));
    }
    if wish.saved {
        return noted(&backups, client, wish.json).await;
    }
    let sign = waiting(wish.json, "trying the key on the repository");
    let recovery = backups.recovery().await;
    sign.finish_and_clear();
    let recovery = recovery.context("the key was not shown")?;
    let kept = backups.key_kept()?.context("the record of the key is gone")?;
    let sheet = Sheet {
        key: std::str::from_utf8(recovery.key.expose()).context("the key is no text")?.to_owned(),
        repository: recovery.repository.display().to_string(),
        id: recovery.id,
        kept: kept.kept,
        copies: copies(&spec),
        made: steady_clock::now()
            .wall
            .0
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%-d %B %Y")
            .to_string(),
    };
    if let Some(path) = wish.output {
        write(&path, &sheet)?;
        let words = format!(
            "The sheet is in {}. Print it, or take it to where it is safe, and delete the file; then run \
             `steady backup key --saved`.",
            path.display()
        );
        return done(&backups, wish.json, &words);
    }
    if wish.json {
        style::json(&serde_json::json!({
            "key": sheet.key, "repository": sheet.repository, "id": sheet.id, "kept": kept.kept, "saved": kept.saved,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    style::say(&sheet.text());
    if kept.saved.is_none() && asked()? {
        return noted(&backups, client, wish.json).await;
    }
    Ok(ExitCode::SUCCESS)
}

fn copies(spec: &config::Backup) -> Vec<(String, String)> {
    let place = |copy: &config::CopyTarget| match &copy.password {
        None => copy.to.to_string(),
        Some(_) => format!("{} (has a key of its own, which is not on this sheet)", copy.to),
    };
    spec.copies.iter().map(|copy| (copy.name.clone(), place(copy))).collect()
}

/// Nothing that is there is overwritten: it may be another sheet.
fn write(path: &Path, sheet: &Sheet) -> anyhow::Result<()> {
    let html = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("html"));
    let text = if html { sheet.html() } else { sheet.text() };
    let mut options = std::fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.with_context(|| format!("cannot create {}", path.display()))?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Only where somebody can answer.
fn asked() -> anyhow::Result<bool> {
    if !console::user_attended() || !console::user_attended_stderr() {
        return Ok(false);
    }
    let term = console::Term::stderr();
    term.write_str("\nDo you have it elsewhere now, where it outlives this machine? Type yes: ")?;
    let yes = term.read_line()?.trim() == "yes";
    if !yes {
        style::say("Then say so later: `steady backup key --saved`.");
    }
    Ok(yes)
}

async fn noted(backups: &Backups, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    backups.note_key_saved(steady_clock::now().wall)?;
    tell(client).await?;
    done(backups, json, "Noted: you have the key elsewhere.")
}

fn done(backups: &Backups, json: bool, words: &str) -> anyhow::Result<ExitCode> {
    if json {
        style::json(&backups.key_kept()?)?;
    } else {
        style::say(words);
    }
    Ok(ExitCode::SUCCESS)
}

/// An agent that runs shows it at once; one that does not reads it at its start.
async fn tell(client: &Client) -> anyhow::Result<()> {
    match client.backup_key_changed().await {
        Ok(_) | Err(ClientError::AgentGone { .. }) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
