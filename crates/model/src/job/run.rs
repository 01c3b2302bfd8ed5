//! One run: what its output says, how it ended, and when the next is due.

use std::time::Duration;

use super::{Milestone, Outcome};
use crate::process::Exit;
use crate::time::WallTime;
use crate::words;

/// Output lines with more than this many `{` are not searched further.
const BRACES_TRIED: usize = 16;
const WHY_CHARS: usize = 200;
/// The milestone by which a job says that it failed as a whole; any other `…_failed` is a part of it.
const WHOLE_FAILED: &str = "sync_failed";
/// A failure milestone's field with the reason.
const ERROR: &str = "error";
/// Milestone fields that hold text for people.
const TEXTS: [&str; 2] = ["summary", "message"];

/// The milestone in one line of output: a JSON object with an `event` text, also behind a log prefix.
pub fn milestone(line: &str) -> Option<Milestone> {
    let line = line.trim_end();
    if !line.ends_with('}') {
        return None;
    }
    line.match_indices('{').take(BRACES_TRIED).find_map(|(i, _)| {
        let mut fields: serde_json::Map<_, _> = serde_json::from_str(line.get(i..)?).ok()?;
        match fields.remove("event")? {
            serde_json::Value::String(event) if !event.is_empty() => Some(Milestone { event, fields }),
            _ => None,
        }
    })
}

/// How a run that ended by itself ended. `tail` is the end of its output, oldest line first.
///
/// Exit code 0 proves little: the first users' job reports success while its models are down. So milestones
/// may turn a success into a partial one, or into a failure.
pub fn judge_run(exit: Exit, milestones: &[Milestone], tail: &[String]) -> Outcome {
    let told = milestones.iter().rev().find_map(|m| m.fields.get(ERROR).and_then(|e| e.as_str()));
    match exit {
        Exit::Signal(_) => return Outcome::Killed,
        Exit::Unobserved => return Outcome::Failed { why: "its exit was not seen".to_owned() },
        Exit::Code(0) => {}
        Exit::Code(_) => {
            let last = tail.iter().rev().map(|l| l.trim()).find(|l| !l.is_empty());
            let detail = told.or(last).map(|d| format!(": {}", clip(d))).unwrap_or_default();
            return Outcome::Failed { why: format!("{}{detail}", words::exit(exit)) };
        }
    }
    if let Some(failed) = milestones.iter().rev().find(|m| m.event == WHOLE_FAILED) {
        let detail = failed.fields.get(ERROR).and_then(|e| e.as_str()).unwrap_or("it did not say why");
        return Outcome::Failed { why: format!("{}: {}", failed.event, clip(detail)) };
    }
    let parts: Vec<String> = milestones.iter().filter_map(incomplete).collect();
    if parts.is_empty() { Outcome::Succeeded } else { Outcome::Partial { why: clip(&parts.join("; ")) } }
}

/// Why a milestone's step was not whole.
fn incomplete(m: &Milestone) -> Option<String> {
    let failed = match m.fields.get("failed") {
        Some(serde_json::Value::Number(n)) => n.as_f64().is_some_and(|n| n > 0.0).then(|| n.to_string()),
        Some(serde_json::Value::Bool(true)) => Some("yes".to_owned()),
        _ => None,
    };
    if let Some(n) = failed {
        return Some(format!("{}: failed {n}", m.event));
    }
    if m.event.ends_with("_failed") {
        let error = m.fields.get(ERROR).and_then(|e| e.as_str()).unwrap_or("it did not say why");
        return Some(format!("{}: {error}", m.event));
    }
    TEXTS.iter().filter_map(|key| m.fields.get(*key)?.as_str()).find(|text| admits_failure(text)).map(
        |text| {
            let text: Vec<&str> = text.split_whitespace().collect();
            format!("{}: {}", m.event, text.join(" "))
        },
    )
}

/// `failed 3`, `failed: 3`, `not reachable`, in any case.
fn admits_failure(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("not reachable")
        || text.match_indices("failed").any(|(i, word)| {
            let rest = text.get(i + word.len()..).unwrap_or_default();
            rest.trim_start_matches([' ', ':', '=']).starts_with(|c: char| ('1'..='9').contains(&c))
        })
}

/// When the next run is due: `every` after the last start, never in the past, and never further ahead than
/// `every`, whatever the clock did. Never ran: now.
pub fn next_due(last_start: Option<WallTime>, every: Duration, now: WallTime) -> WallTime {
    match last_start {
        Some(last) => last.after(every).clamp(now, now.after(every)),
        None => now,
    }
}

fn clip(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= WHY_CHARS {
        return text.to_owned();
    }
    text.chars().take(WHY_CHARS).chain(['…']).collect()
}
