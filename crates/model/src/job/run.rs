//! One run: what its output says, and how it ended.

use regex::RegexSet;

use super::{Milestone, Outcome};
use crate::config::Job;
use crate::process::Exit;
use crate::words;

/// Output lines with more than this many `{` are not searched further.
const BRACES_TRIED: usize = 16;
const WHY_CHARS: usize = 200;
/// The milestone by which a job says that it failed as a whole; any other `…_failed` is a part of it.
const WHOLE_FAILED: &str = "sync_failed";
/// The milestone by which it says that it did what it was asked to; `command` is what that was.
const WHOLE_COMPLETE: &str = "sync_complete";
/// A failure milestone's field with the reason.
const ERROR: &str = "error";
/// Milestone fields that hold text for people.
pub(super) const TEXTS: [&str; 2] = ["summary", "message"];

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

/// Whether a milestone is the last of its run.
pub fn run_ends(milestone: &Milestone) -> bool {
    milestone.event == WHOLE_COMPLETE || milestone.event == WHOLE_FAILED
}

/// What a job's own configuration says of its output.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    partial: RegexSet,
    whole: Option<String>,
}

impl Rules {
    pub fn of(job: &Job) -> Self {
        // They were read once to be valid.
        Self { partial: RegexSet::new(&job.partial).unwrap_or_default(), whole: job.whole.clone() }
    }

    /// Whether a line of output makes its run partial.
    pub fn admits(&self, line: &str) -> bool {
        self.partial.is_match(line)
    }

    /// The subcommand that ran, if it was not the whole job.
    pub fn part(&self, milestones: &[Milestone]) -> Option<String> {
        let whole = self.whole.as_deref()?;
        let last = milestones.iter().rev().find(|m| m.event == WHOLE_COMPLETE)?;
        let command = last.fields.get("command")?.as_str()?;
        (command != whole).then(|| command.to_owned())
    }
}

/// What a run's output told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    pub milestones: &'a [Milestone],
    /// The end of it, oldest line first.
    pub tail: &'a [String],
    /// Lines that [`Rules::admits`].
    pub admitted: &'a [String],
}

/// How a run that ended by itself ended.
///
/// Exit code 0 proves little: the first users' job reports success while its models are down. So milestones
/// may turn a success into a partial one, or into a failure.
pub fn judge_run(exit: Exit, told: Told<'_>) -> Outcome {
    let Told { milestones, tail, admitted } = told;
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
    let mut parts: Vec<String> = milestones.iter().filter_map(incomplete).collect();
    if parts.is_empty() {
        parts.extend(admitted.iter().map(|line| line.trim().to_owned()));
    }
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

fn clip(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= WHY_CHARS {
        return text.to_owned();
    }
    text.chars().take(WHY_CHARS).chain(['…']).collect()
}
