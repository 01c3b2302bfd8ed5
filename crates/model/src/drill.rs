//! Drills: a restore that is rehearsed, and what its result and its age mean.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::Status;
use crate::time::WallTime;
use crate::words;

/// How a drill went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrillRecord {
    pub id: String,
    pub point: String,
    pub point_taken: WallTime,
    pub began: WallTime,
    pub took_ms: u64,
    /// What was restored.
    pub files: u64,
    pub bytes: u64,
    /// What was done, in order; of one that failed, up to what it failed of.
    pub steps: Vec<DrillStep>,
    #[serde(flatten)]
    pub outcome: DrillOutcome,
}

impl DrillRecord {
    /// What it failed of and why; `None` when it passed.
    pub fn failure(&self) -> Option<String> {
        match &self.outcome {
            DrillOutcome::Passed => None,
            DrillOutcome::Failed { at, why } => Some(format!("{}: {why}", at.gerund())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrillStep {
    pub what: DrillWork,
    pub took_ms: u64,
    /// What it showed: `health: 200, vault = ok`.
    pub said: String,
}

/// The steps of a drill in order. The last three only with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DrillWork {
    /// The point was written to a scratch folder.
    Restored,
    /// Every file was compared and every database opened and counted there.
    Opened,
    /// A dump of PostgreSQL was loaded into a scratch database and all its tables were counted.
    Loaded,
    /// The backend was started on it, and answered.
    Started,
    Healthy,
    Canary,
    /// No process of it is left and its port is free.
    Stopped,
}

impl DrillWork {
    /// What it was about when it failed.
    pub fn gerund(self) -> &'static str {
        match self {
            Self::Restored => "restoring the point",
            Self::Opened => "opening the restored data",
            Self::Loaded => "loading the dumps of PostgreSQL",
            Self::Started => "starting the backend on it",
            Self::Healthy => "asking its health",
            Self::Canary => "asking the canary question",
            Self::Stopped => "stopping it again",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Opened => "opened",
            Self::Loaded => "loaded",
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Canary => "canary",
            Self::Stopped => "stopped",
        }
    }

    fn action(self) -> &'static str {
        match self {
            Self::Restored | Self::Opened => "Back up now, then run the drill again: `steady drill`",
            Self::Loaded => "Do what the reason asks for, then run the drill again: `steady drill`",
            Self::Started => "Correct [backup.drill] or the backend's command, then run `steady drill`",
            Self::Healthy | Self::Canary => {
                "See with `steady restore --to DIR` what the point holds, back up again, then run `steady drill`"
            }
            Self::Stopped => "End what is left by hand, then run `steady drill`",
        }
    }
}

impl std::fmt::Display for DrillWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.done())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum DrillOutcome {
    Passed,
    Failed { at: DrillWork, why: String },
}

/// Drills, as every surface shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrillView {
    pub status: Status,
    /// `drilled 3 days ago`.
    pub phrase: String,
    pub last: Option<DrillRecord>,
    pub next: Option<WallTime>,
}

/// What is wrong with the drills, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub sentence: String,
    pub action: String,
}

/// Judges the last drill: a failed one until another passed, and one that is missing for more than twice `every`.
/// `first_point` is when the oldest verified point was taken: nothing could be drilled before. Nothing is said of
/// drills that nobody asked for.
pub fn judge(
    last: Option<&DrillRecord>,
    every: Option<Duration>,
    first_point: Option<WallTime>,
    now: WallTime,
) -> (Status, String, Option<Trouble>) {
    let age = last.and_then(|l| now.since(l.began));
    let ago = age.map_or_else(|| "never drilled".to_owned(), |age| format!("drilled {}", words::ago(age)));
    if let Some(DrillRecord { outcome: DrillOutcome::Failed { at, why }, .. }) = last {
        let sentence = format!("the last drill failed {}: {why}", at.gerund());
        let trouble = Trouble { sentence: sentence.clone(), action: at.action().to_owned() };
        return (Status::Warn, sentence, Some(trouble));
    }
    let waits_since = last.map(|l| l.began).or(first_point);
    let waited = waits_since.and_then(|since| now.since(since));
    let late = every.zip(waited).is_some_and(|(every, waited)| waited > every.saturating_mul(2));
    if late {
        let sentence = match age {
            Some(age) => format!("last drill {}, which is too long", words::ago(age)),
            None => "no restore was ever rehearsed".to_owned(),
        };
        let action = "Run a drill now: `steady drill`".to_owned();
        return (Status::Warn, sentence.clone(), Some(Trouble { sentence, action }));
    }
    (Status::Pass, ago, None)
}

/// When the next drill is due. A failed one is not tried again by itself before its time: what failed has a cause
/// that a person has to look at.
pub fn due(
    last: Option<&DrillRecord>,
    every: Option<Duration>,
    has_verified: bool,
    now: WallTime,
) -> Option<WallTime> {
    let every = every.filter(|_| has_verified)?;
    Some(last.map_or(now, |last| last.began.after(every)))
}
