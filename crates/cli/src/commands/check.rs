use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use steady_client::Client;
use steady_model::api::{CheckLook, CheckTrial, Trial};
use steady_model::check::Status;
use steady_model::words;

use crate::{live, style, table};

pub async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let snapshot = client.snapshot().await?;
    if json {
        style::json(&snapshot.checks)?;
    } else if snapshot.checks.is_empty() {
        style::say("No checks.");
    } else {
        style::say(&table::checks(&snapshot));
    }
    let fails = snapshot.checks.iter().any(|c| c.status == Status::Fail);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub async fn look(client: &Client, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let look = client.look(name).await?;
    if json {
        style::json(&look)?;
    } else {
        style::say(&told(&look));
    }
    let passes = matches!(look.status, Status::Pass | Status::Warn);
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(look: &CheckLook) -> String {
    let mut lines = vec![format!(
        "{} {} ({}, {} ms): {}",
        style::paint(look.status, style::mark(look.status)),
        look.name,
        look.kind,
        look.took_ms,
        look.evidence
    )];
    lines.extend(look.action.iter().map(|action| format!("  next: {action}")));
    lines.extend(look.measure.iter().map(|m| {
        let value = match m.unit.as_str() {
            "bytes" => in_bytes(m.value),
            "seconds" => words::span(Duration::try_from_secs_f64(m.value).unwrap_or_default()),
            unit => format!("{} {unit}", m.value),
        };
        format!("  measured {value}")
    }));
    lines.extend(look.samples.iter().map(|s| {
        let labels: Vec<String> = s.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        format!("  {}{labels} {}", s.metric, s.value)
    }));
    lines.join("\n")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for a person, and never negative"
)]
fn in_bytes(value: f64) -> String {
    words::bytes(value.max(0.0) as u64)
}

pub async fn validate(
    home: &Path,
    client: &Client,
    only: Option<&str>,
    config: Option<PathBuf>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let file = config.unwrap_or_else(|| home.join("steady.toml"));
    let up = live::answers(client).await?.is_some();
    let trials = steady_agent::try_checks(&file, only, up).await?;
    if let (Some(name), true) = (only, trials.is_empty()) {
        bail!("there is no check \"{name}\" in {}", file.display());
    }
    if json {
        style::json(&trials)?;
    } else if trials.is_empty() {
        style::say("No checks.");
    } else {
        for trial in &trials {
            style::say(&tried(trial));
        }
    }
    let refused = trials.iter().any(|t| t.trial == Trial::Refused);
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tried(trial: &CheckTrial) -> String {
    let (status, words) = match trial.trial {
        Trial::Answers => (Status::Pass, "answers"),
        Trial::BadNews => (Status::Warn, "answers, and has bad news"),
        Trial::ServiceDown => {
            (Status::Unknown, "not judged: its service may be down; try again under `steady up`")
        }
        Trial::Refused => (Status::Fail, "refused: it gives no sensible answer"),
    };
    let at = trial.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
    let evidence = trial.look.as_ref().map_or("it did not come to an end", |look| look.evidence.as_str());
    let mark = style::paint(status, style::mark(status));
    let next = trial.look.as_ref().and_then(|look| look.action.as_ref());
    let next = next.map_or_else(String::new, |action| format!(" — {action}"));
    format!("{mark} {at}{}: {words} — {evidence}{next}", trial.name)
}
