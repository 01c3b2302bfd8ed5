//! Waiting on snapshots, and showing them as they change.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use console::Term;
use futures_util::StreamExt;
use steady_agent::Home;
use steady_client::{Client, ClientError, Figures, Link};
use steady_disk::FileLock;
use steady_model::snapshot::Snapshot;
use tokio::signal::unix::{SignalKind, signal};

use crate::{style, table};

/// An agent that was told to end stops its services first.
const ENDING: Duration = Duration::from_secs(60);

/// Follows the agent until a snapshot satisfies `done`, which may also watch.
pub async fn wait_for(
    client: &Client,
    patience: Duration,
    mut done: impl FnMut(&Snapshot) -> bool,
) -> anyhow::Result<Snapshot> {
    let watch = async {
        let mut events = std::pin::pin!(client.events(Figures::Seldom));
        while let Some(snapshot) = events.next().await {
            let snapshot = snapshot?;
            if done(&snapshot) {
                return Ok(snapshot);
            }
        }
        bail!("the agent ended before it was done")
    };
    match tokio::time::timeout(patience, watch).await {
        Ok(result) => result,
        Err(_) => {
            bail!("it is not done after {}; `steady status` tells more", steady_model::words::span(patience))
        }
    }
}

/// Waits until the agent of this home has ended: the kernel then lets go of its lock.
pub async fn until_gone(home: &Path) -> anyhow::Result<()> {
    let lock = Home::new(home).lock();
    let free = tokio::task::spawn_blocking(move || FileLock::wait_until_free(&lock));
    tokio::time::timeout(ENDING, free).await.context("it has not ended")??.context("cannot wait for its lock")
}

/// Draws every change until Ctrl-C. Off a terminal each change of the sentence is a line.
pub async fn follow(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let term = Term::stdout();
    let mut links = std::pin::pin!(steady_client::follow(client.clone()));
    let mut said = String::new();
    loop {
        tokio::select! {
            ended = told_to_end() => {
                ended.context("cannot wait for signals")?;
                return Ok(ExitCode::SUCCESS);
            }
            link = links.next() => match link {
                Some(link) => show(&term, &link, json, &mut said)?,
                None => return Ok(ExitCode::SUCCESS),
            }
        }
    }
}

/// Ctrl-C, TERM, or the end of the terminal.
pub async fn told_to_end() -> std::io::Result<()> {
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

fn show(term: &Term, link: &Link, json: bool, said: &mut String) -> anyhow::Result<()> {
    if json {
        if let Link::Live(snapshot) = link {
            style::say(&serde_json::to_string(snapshot)?);
        }
        return Ok(());
    }
    let (sentence, screen) = match link {
        Link::Live(s) => (s.verdict.sentence.clone(), table::snapshot(s)),
        Link::Gone { why } => {
            let text = style::paint(
                steady_model::check::Status::Unknown,
                &format!("◌ Steady — the agent does not answer: {why}"),
            );
            (text.clone(), text)
        }
    };
    if term.is_term() {
        term.clear_screen()?;
        style::say(&screen);
        style::say("\nCtrl-C ends this view.");
    } else if *said != sentence {
        style::say(&sentence);
        *said = sentence;
    }
    Ok(())
}

/// Whether an agent answers.
pub async fn answers(client: &Client) -> Result<Option<Snapshot>, ClientError> {
    match client.snapshot().await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(ClientError::AgentGone { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}
