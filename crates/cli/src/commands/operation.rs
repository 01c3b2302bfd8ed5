//! Waiting for long work of the agent, leaving it, and ending it early.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use steady_client::{Client, ClientError};
use steady_model::backup::{Operation, OperationOutcome};
use steady_model::snapshot::Snapshot;
use steady_model::time::WallTime;
use tokio::signal::ctrl_c;

use crate::exit::Left;
use crate::live::wait_for;
use crate::{progress, style};

/// Within this a second Ctrl-C cancels what the first one only left.
const TWICE: Duration = Duration::from_secs(2);

/// Between two JSON objects of progress.
const A_SECOND: Duration = Duration::from_secs(1);

/// A sign on a terminal that something is under way of which no measure is known.
pub fn waiting(json: bool, what: &str) -> ProgressBar {
    let sign = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    sign.set_message(what.to_owned());
    sign.enable_steady_tick(Duration::from_millis(200));
    sign
}

/// Waits until the operation is done; its failure and its end by somebody else are errors.
pub async fn operation(client: &Client, id: &str, json: bool) -> anyhow::Result<Snapshot> {
    let (outcome, last) = outcome(client, id, json).await?;
    match outcome {
        OperationOutcome::Done => Ok(last),
        OperationOutcome::Failed { why } => bail!("{why}"),
        OperationOutcome::Cancelled => bail!("it was cancelled"),
    }
}

/// How far an operation is, as it goes on: a bar on a terminal, or a JSON object a second beside the answer.
struct Display {
    bar: ProgressBar,
    json: bool,
    /// When it was told last as JSON.
    told: Option<WallTime>,
}

impl Display {
    fn new(json: bool) -> anyhow::Result<Self> {
        let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0) };
        bar.set_style(ProgressStyle::with_template("{bar:30} {wide_msg}")?);
        Ok(Self { bar, json, told: None })
    }

    fn show(&mut self, work: &Operation, at: WallTime) {
        self.bar.set_length(work.total_bytes);
        self.bar.set_position(work.done_bytes);
        self.bar.set_message(progress::line(work));
        let due = self.told.is_none_or(|told| at.since(told).is_none_or(|span| span >= A_SECOND));
        if self.json && due {
            self.told = Some(at);
            style::note(&serde_json::to_string(work).unwrap_or_default());
        }
    }
}

/// Waits until the operation is over, and shows how far it is. Ctrl-C leaves it to the agent, twice cancels it.
pub async fn outcome(client: &Client, id: &str, json: bool) -> anyhow::Result<(OperationOutcome, Snapshot)> {
    let mut display = Display::new(json)?;
    let bar = display.bar.clone();
    let mut seen = false;
    let over = wait_for(client, Duration::MAX, |s| match &s.backup.operation {
        _ if ended(s, id).is_some() => true,
        Some(op) if op.id == id => {
            seen = true;
            display.show(op, s.at);
            false
        }
        // The first snapshot may be older than the operation.
        _ => seen,
    });
    let mut over = std::pin::pin!(over);
    let last = tokio::select! {
        last = &mut over => last?,
        left = ctrl_c() => {
            left.context("cannot wait for signals")?;
            bar.suspend(|| style::note("It goes on in the agent. Ctrl-C again cancels it."));
            cancel_or_leave(client, id).await?;
            over.await?
        }
    };
    bar.finish_and_clear();
    match ended(&last, id) {
        Some(outcome) => Ok((outcome.clone(), last)),
        None => bail!("it ended, and the agent does not tell how any more; its log does"),
    }
}

fn ended<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a OperationOutcome> {
    snapshot.backup.last_operation.as_ref().filter(|last| last.id == id).map(|last| &last.outcome)
}

async fn cancel_or_leave(client: &Client, id: &str) -> anyhow::Result<()> {
    match tokio::time::timeout(TWICE, ctrl_c()).await {
        Err(_) => Err(Left.into()),
        Ok(again) => {
            again.context("cannot wait for signals")?;
            match client.cancel(id).await {
                // What is over by now is told by its outcome.
                Err(ClientError::Refused(problem)) if problem.code == "over" => Ok(()),
                answer => Ok(answer.map(drop)?),
            }
        }
    }
}

/// Ends early what runs, or the one of this id, and waits until it has ended.
pub async fn cancel(client: &Client, id: Option<String>, json: bool) -> anyhow::Result<ExitCode> {
    let backup = client.snapshot().await?.backup;
    let copying = backup.copies.iter().filter(|copy| copy.facts.running);
    let attempts: Vec<String> = copying.filter_map(|copy| copy.facts.attempt.clone()).collect();
    let id = match (id, backup.operation) {
        (Some(id), _) => id,
        (None, Some(operation)) => operation.id,
        (None, None) => match attempts.as_slice() {
            [attempt] => attempt.clone(),
            [] => bail!("there is nothing to cancel: no operation runs"),
            _ => bail!("several copies are under way; name the id of one (`steady copies --json`, attempt)"),
        },
    };
    client.cancel(&id).await?;
    if attempts.contains(&id) {
        let attempt = |s: &Snapshot| {
            let mut copies = s.backup.copies.iter();
            copies.find(|copy| copy.facts.attempt.as_ref() == Some(&id)).map(|copy| copy.facts.clone())
        };
        let last = wait_for(client, Duration::MAX, |s| attempt(s).is_none_or(|facts| !facts.running)).await?;
        return told(json, &id, attempt(&last).is_some_and(|facts| facts.cancelled));
    }
    let (outcome, _) = outcome(client, &id, json).await?;
    told(json, &id, outcome == OperationOutcome::Cancelled)
}

fn told(json: bool, id: &str, cancelled: bool) -> anyhow::Result<ExitCode> {
    if json {
        style::json(&serde_json::json!({ "id": id, "cancelled": cancelled }))?;
    } else if cancelled {
        style::say("Cancelled; what it had begun is cleaned up.");
    } else {
        style::say("It ended by itself before it could be cancelled.");
    }
    Ok(if cancelled { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
