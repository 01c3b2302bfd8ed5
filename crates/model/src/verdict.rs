//! Facts in, one verdict out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action;
use crate::check::{Severity, Status};
use crate::service::{End, Lifecycle, State, StopReason};
use crate::time::{Now, WallTime};
use crate::words;

/// A restarted service stays amber until it has been ready this long: nobody should miss that it died.
pub const SETTLE: Duration = Duration::from_secs(5);

/// Worst-of all that was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdict {
    pub status: Status,
    /// `Steady — synced 2 h ago, backed up 06:10`; on trouble the first reason.
    pub sentence: String,
    /// Worst first. Empty when all is well.
    pub reasons: Vec<Reason>,
    /// What a person asked for and is under way, e.g. `restoring`. Drawn as the busy arc.
    pub busy: Option<String>,
}

/// Why the dot is not green: one sentence with evidence, age and the next action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    pub status: Status,
    pub subject: Subject,
    pub sentence: String,
    pub since: Option<WallTime>,
    /// What to do, as a person would say it.
    pub action: String,
}

/// What a reason is about; the panel opens there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Subject {
    Service(String),
    Check(String),
    Job(String),
    Backup,
}

/// A judged check as the verdict sees it.
#[derive(Debug, Clone)]
pub struct CheckFact<'a> {
    pub name: &'a str,
    /// `http`, `sqlite`, …
    pub kind: &'a str,
    pub status: Status,
    pub severity: Severity,
    pub evidence: &'a str,
    pub since: Option<WallTime>,
    /// Whether it was ever looked at.
    pub observed: bool,
    /// The service it looks at.
    pub service: Option<&'a str>,
    /// The check or service whose trouble explains this check's.
    pub explained_by: Option<&'a str>,
    /// What its cause asks for, where that is known.
    pub action: Option<&'a str>,
}

/// A reason for the state of a service, or `None` when it is as it should be.
///
/// The second value is when the answer changes by time alone.
pub fn judge_service(name: &str, life: &Lifecycle, now: Now) -> (Option<Reason>, Option<Duration>) {
    let died = life.last_end.as_ref().filter(|_| life.streak > 0);
    let ago = |at: WallTime| words::ago(now.wall.since(at).unwrap_or_default());
    let since_when = |at: WallTime| words::since(now.wall.since(at).unwrap_or_default());
    let mut changes_in = None;
    let told = match &life.state {
        State::Unknown => {
            Some((Status::Unknown, format!("{name} has not been looked at yet"), None, "Wait a moment"))
        }
        State::Ready { since, .. } => {
            let ready = now.awake.since(since.awake);
            died.filter(|_| ready < SETTLE).map(|(end, at)| {
                changes_in = Some(SETTLE.saturating_sub(ready));
                let sentence = format!("{name} is back after {} {}", words::end(end), ago(*at));
                (Status::Warn, sentence, Some(*at), "Nothing; look at its log if it happens again")
            })
        }
        State::Starting { since, .. } => {
            let sentence = match died {
                Some((end, _)) => format!("{name} is starting again after {}", words::end(end)),
                None => format!("{name} is starting"),
            };
            let sentence = format!("{sentence}, {}", since_when(since.wall));
            Some((Status::Warn, sentence, Some(since.wall), "Wait until it is ready"))
        }
        State::Degraded { since, reason, .. } => {
            let sentence = format!("{name} runs but is {reason}, {}", since_when(since.wall));
            Some((Status::Fail, sentence, Some(since.wall), "Look at its log, then restart it"))
        }
        State::Stopping { .. } => {
            Some((Status::Warn, format!("{name} is stopping"), None, "Wait until it has stopped"))
        }
        State::Stopped { since, reason } => {
            judge_stopped(name, reason, now.wall.since(*since).unwrap_or_default())
                .map(|(status, sentence, action)| (status, sentence, Some(*since), action))
        }
        State::Backoff { until, attempt, cause } => {
            let wait = words::span(until.since(now.awake));
            let last = ended_at(life).map_or_else(String::new, |at| format!(", {}", ago(at)));
            let sentence = format!("{name} failed {attempt} times ({cause}{last}); next try in {wait}");
            Some((Status::Fail, sentence, ended_at(life), "Look at its log, or restart it now"))
        }
        State::CrashLoop { until, cause } => {
            let wait = words::span(until.since(now.awake));
            let last = ended_at(life).map_or_else(String::new, |at| format!(", {}", ago(at)));
            let sentence = format!("{name} is in a crash loop ({cause}{last}); next try in {wait}");
            Some((
                Status::Fail,
                sentence,
                ended_at(life),
                "Look at its log and crash reports, then restart it",
            ))
        }
        State::Foreign { owner, since } => {
            let sentence = format!("{name} was not started, {}: {}", since_when(*since), foreign(owner));
            let action = "Stop that process or change the port, then start it";
            Some((Status::Fail, sentence, Some(*since), action))
        }
    };
    let reason = told.map(|(status, sentence, since, action)| {
        let subject = Subject::Service(name.to_owned());
        Reason { status, subject, sentence, since, action: action.to_owned() }
    });
    (reason, changes_in)
}

fn ended_at(life: &Lifecycle) -> Option<WallTime> {
    life.last_end.as_ref().map(|(_, at)| *at)
}

fn judge_stopped(name: &str, reason: &StopReason, age: Duration) -> Option<(Status, String, &'static str)> {
    let ago = words::ago(age);
    Some(match reason {
        StopReason::Requested => {
            (Status::Warn, format!("{name} is stopped, as asked {ago}"), "Start it when you want it back")
        }
        StopReason::Waiting(on) => (
            Status::Warn,
            format!("{name} is {on}, {}", words::since(age)),
            "Wait, or look at what it waits for",
        ),
        StopReason::Completed(_) => return None,
        StopReason::Ended(end @ End::Background { .. }) => (
            Status::Fail,
            format!("{name} was ended {ago} after {}", words::end(end)),
            "Tell it to stay in the foreground, then start it",
        ),
        StopReason::Ended(end) => (
            Status::Fail,
            format!("{name} ended with {}, {ago}", words::end(end)),
            "Look at its log, then start it",
        ),
        StopReason::CouldNotStart(cause) => {
            (Status::Fail, format!("{name} could not be started {ago}: {cause}"), "Mend that, then start it")
        }
    })
}

/// `port 8741 is held by pid 4711 (python3 -m http.server)`.
pub fn foreign(owner: &crate::process::PortOwner) -> String {
    let who = match (owner.pid, &owner.command) {
        (Some(pid), Some(command)) => format!("pid {pid} ({command})"),
        (Some(pid), None) => format!("pid {pid}"),
        (None, _) => "a process of another user".to_owned(),
    };
    format!("port {} is held by {who}, which Steady did not start", owner.port)
}

/// A reason for a check that does not pass, or `None`: a check that is explained says nothing.
pub fn judge_check(check: &CheckFact<'_>) -> Option<Reason> {
    if check.status == Status::Pass || check.explained_by.is_some() {
        return None;
    }
    Some(Reason {
        status: check.severity.told(check.status),
        subject: Subject::Check(check.name.to_owned()),
        sentence: format!("{}: {}", check.name, check.evidence),
        since: check.since,
        action: match check.action {
            Some(action) => action.to_owned(),
            None => action::next(check.kind, check.status, check.observed, check.service),
        },
    })
}

impl Reason {
    /// Its sentence with its age: `vault, since 12 min ago: /srv/vault is missing`. Sentences about services, jobs
    /// and backups have theirs already.
    pub fn dated(&self, now: WallTime) -> String {
        match (&self.subject, self.since) {
            (Subject::Check(name), Some(since)) => match self.sentence.strip_prefix(name.as_str()) {
                // In front, so that a row that is cut at its end still tells it.
                Some(rest) => format!("{name}, {}{rest}", words::since(now.since(since).unwrap_or_default())),
                None => self.sentence.clone(),
            },
            _ => self.sentence.clone(),
        }
    }
}

/// What is under way while the verdict is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// What a person asked for.
    pub busy: Option<String>,
    /// The machine has just woken, and everything is about to be looked at again.
    pub settling: bool,
}

/// Puts all reasons into one verdict. `calm` is the sentence for when there are none.
pub fn conclude(mut reasons: Vec<Reason>, moment: Moment, calm: &str, now: WallTime) -> Verdict {
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.status));
    let status = reasons.first().map_or(Status::Pass, |r| r.status);
    let sentence = match (&moment.busy, reasons.first()) {
        // Work under way explains a warning, never a failure.
        (Some(busy), _) if status != Status::Fail => format!("Steady — {busy} …"),
        (_, Some(first)) if moment.settling && status == Status::Fail => {
            format!("Steady — {}; {LOOKING_AGAIN}", first.dated(now))
        }
        _ if moment.settling => format!("Steady — {LOOKING_AGAIN}"),
        (_, Some(first)) => format!("Steady — {}", first.dated(now)),
        (_, None) => format!("Steady — {calm}"),
    };
    Verdict { status, sentence, reasons, busy: moment.busy }
}

const LOOKING_AGAIN: &str = "just woke, looking again";
