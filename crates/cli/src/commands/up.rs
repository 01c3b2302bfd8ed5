use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use steady_agent::{Home, config_file};
use steady_client::Client;
use steady_model::snapshot::Snapshot;

use crate::{demo, detached, link, live, style};

/// From the start of the agent to its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

pub struct Choice {
    pub demo: Option<PathBuf>,
    pub config: Option<PathBuf>,
    pub agent_only: bool,
    pub no_app: bool,
}

/// Starts the agent or finds it, then opens the app or stays as a live table.
pub async fn up(home: &Path, choice: Choice) -> anyhow::Result<ExitCode> {
    let demo = choice.demo.as_deref().map(demo::prepare).transpose()?;
    let home = demo.as_ref().map_or(home, |d| &d.home);
    let config =
        demo.as_ref().map(|d| d.config.clone()).or(choice.config).unwrap_or_else(|| home.join("steady.toml"));
    let client = Client::new(home)?;
    let running = live::answers(&client).await?;
    let ours = running.is_none();
    let snapshot = match running {
        Some(snapshot) => snapshot,
        None => start_agent(home, &config, &client).await?,
    };
    style::say(&format!(
        "The agent {} (pid {}, {}).",
        if ours { "runs" } else { "was running already" },
        snapshot.agent.pid,
        snapshot.agent.config
    ));
    match link::sign_in(home, &snapshot) {
        Ok(link) => style::say(&format!("Panel: {link}")),
        Err(e) => style::complain(&format!("{e:#}")),
    }
    if choice.agent_only {
        return Ok(ExitCode::SUCCESS);
    }
    if !choice.no_app && has_display() && open_app(home)? {
        let flag = if demo.is_some() { format!(" --home {}", home.display()) } else { String::new() };
        style::say(&format!(
            "The app is in the menu bar. `steady{flag} status` tells the same here; `steady{flag} down` ends all."
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let code = live::follow(&client, false).await?;
    if ours {
        style::say("Ending the agent and its services …");
        client.shutdown(true).await?;
        live::until_gone(home).await?;
        style::say("Ended.");
    } else {
        style::say("The agent runs on; it was running before. `steady down` ends it.");
    }
    Ok(code)
}

async fn start_agent(home: &Path, config: &Path, client: &Client) -> anyhow::Result<Snapshot> {
    // What is wrong in the configuration belongs on this terminal, not into a log.
    config_file::load(config)?;
    steady_disk::create_private_dir(home)?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let log = Home::new(home).root().join("agent.log");
    let mut child = detached::spawn(&program, &["agent"], &[("--home", home), ("--config", config)], &log)?;
    match tokio::time::timeout(FIRST_ANSWER, first_answer(client, &mut child)).await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(e)) => Err(e.context(format!(
            "the agent did not start; the end of {}:\n{}",
            log.display(),
            end_of(&log)
        ))),
        Err(_) => bail!(
            "the agent (pid {}) does not answer after {FIRST_ANSWER:?}; see {}",
            child.id(),
            log.display()
        ),
    }
}

#[expect(clippy::disallowed_methods, reason = "a socket file that does not exist yet cannot be waited on")]
async fn first_answer(client: &Client, child: &mut Child) -> anyhow::Result<Snapshot> {
    loop {
        if let Some(snapshot) = live::answers(client).await? {
            return Ok(snapshot);
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Whether there is an app to open.
fn open_app(home: &Path) -> anyhow::Result<bool> {
    let Some(app) = detached::beside("steady-app")? else { return Ok(false) };
    let log = Home::new(home).root().join("app.log");
    detached::spawn(&app, &[], &[("--home", home)], &log)?;
    Ok(true)
}
