//! The tray as a value: which icon, which words, which rows may be clicked. The app only applies the difference.

use crate::backup::OperationKind;
use crate::check::Status;
use crate::snapshot::{BackupView, JobView, Snapshot};
use crate::time::WallTime;
use crate::verdict::{Reason, Subject};
use crate::words;

/// The menu has this many places for reasons; the panel shows them all.
pub const REASONS: usize = 3;

/// A menu row wider than this hides the desktop behind it.
const ROW_CHARS: usize = 88;

const GONE: &str = "Steady — the agent does not answer";

/// What the tray shows. Equal values look equal, so a difference is all that has to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayModel {
    pub icon: Icon,
    /// Tooltip, accessible name and first row are this one sentence.
    pub sentence: String,
    /// What went wrong with the last click, until it is no longer news. Shown above the reasons.
    pub notice: Option<String>,
    /// Worst first, at most [`REASONS`].
    pub reasons: Vec<Row>,
    pub sync: Row,
    pub backup: Row,
    /// Only while there is no agent.
    pub start_agent: Option<Command>,
    pub restart: Command,
    pub sync_now: Command,
    pub back_up: Command,
    pub restore: Command,
    pub open_panel: Command,
    pub quit: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Icon {
    pub shape: Shape,
    pub tone: Tone,
}

/// The state, readable without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// All is well.
    Disc,
    /// A warning: a disc with a bite taken out.
    Notched,
    /// Something failed: a ring with a cross.
    Crossed,
    /// Not known: a dashed ring.
    Dashed,
    /// Something a person asked for is under way.
    Arc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    Green,
    Amber,
    Red,
    Grey,
}

/// A row to read; a click opens the panel at `page`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub text: String,
    /// The panel's route, e.g. `#/backups`.
    pub page: String,
}

/// A row to click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub label: &'static str,
    pub action: Action,
    pub enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    StartAgent,
    /// Restarts every service, in the order of the snapshot.
    Restart,
    /// Runs every job that Steady can run and that is not running.
    SyncNow,
    BackUp,
    /// Opens the panel where restore points are; nothing is replaced without its plan and a confirmation.
    Restore,
    OpenPanel,
    Quit,
}

impl Command {
    fn new(label: &'static str, action: Action, enabled: bool) -> Self {
        Self { label, action, enabled }
    }
}

impl TrayModel {
    /// Says what became of a click. The status keeps its own row: news never hides it.
    #[must_use]
    pub fn with_notice(mut self, notice: Option<&str>) -> Self {
        self.notice = notice.map(shorten);
        self
    }
}

/// Draws what is known; `None` is an agent that does not answer, of which nothing is known any more.
pub fn tray(snapshot: Option<&Snapshot>, now: WallTime) -> TrayModel {
    match snapshot {
        Some(snapshot) => present(snapshot, now),
        None => gone(),
    }
}

fn gone() -> TrayModel {
    TrayModel {
        icon: Icon { shape: Shape::Dashed, tone: Tone::Grey },
        sentence: GONE.to_owned(),
        notice: None,
        reasons: Vec::new(),
        sync: Row::new("Sync: not known", "#/"),
        backup: Row::new("Backup: not known", "#/backups"),
        start_agent: Some(Command::new("Start the agent", Action::StartAgent, true)),
        restart: Command::new("Restart backend", Action::Restart, false),
        sync_now: Command::new("Sync now", Action::SyncNow, false),
        back_up: Command::new("Back up now", Action::BackUp, false),
        restore: Command::new("Restore…", Action::Restore, false),
        // It says the same in more words, with the same button.
        open_panel: Command::new("Open panel", Action::OpenPanel, true),
        quit: Command::new("Quit Steady", Action::Quit, true),
    }
}

fn present(snapshot: &Snapshot, now: WallTime) -> TrayModel {
    let operation = snapshot.backup.operation.as_ref();
    let swapping = operation.is_some_and(|o| matches!(o.kind, OperationKind::Restore | OperationKind::Undo));
    let points = !snapshot.backup.points.is_empty();
    TrayModel {
        icon: icon(snapshot.verdict.status, snapshot.verdict.busy.is_some()),
        sentence: sentence(snapshot, now),
        notice: None,
        reasons: snapshot.verdict.reasons.iter().take(REASONS).map(|r| reason(r, snapshot.at, now)).collect(),
        sync: Row::new(&sync(&snapshot.jobs, snapshot.at, now), "#/"),
        backup: Row::new(&backup(&snapshot.backup), "#/backups"),
        start_agent: None,
        restart: Command::new("Restart backend", Action::Restart, !snapshot.services.is_empty() && !swapping),
        sync_now: Command::new("Sync now", Action::SyncNow, !swapping && snapshot.jobs.iter().any(can_run)),
        back_up: Command::new(
            "Back up now",
            Action::BackUp,
            snapshot.backup.configured && operation.is_none(),
        ),
        restore: Command::new("Restore…", Action::Restore, points),
        open_panel: Command::new("Open panel", Action::OpenPanel, true),
        quit: Command::new("Quit Steady (the backend keeps running)", Action::Quit, true),
    }
}

/// Whether *Sync now* would run this job.
pub fn can_run(job: &JobView) -> bool {
    job.runnable && job.running_since.is_none()
}

fn icon(status: Status, busy: bool) -> Icon {
    let (shape, tone) = match status {
        Status::Pass => (Shape::Disc, Tone::Green),
        Status::Warn => (Shape::Notched, Tone::Amber),
        Status::Fail => (Shape::Crossed, Tone::Red),
        Status::Unknown => (Shape::Dashed, Tone::Grey),
    };
    Icon { shape: if busy { Shape::Arc } else { shape }, tone }
}

fn sentence(snapshot: &Snapshot, now: WallTime) -> String {
    let dated = snapshot.jobs.iter().filter_map(|j| j.last_success);
    let reasons = snapshot.verdict.reasons.iter().filter_map(|r| r.since);
    let text = dated
        .chain(reasons)
        .fold(snapshot.verdict.sentence.clone(), |text, then| aged(&text, then, snapshot.at, now));
    shorten(&text)
}

fn reason(reason: &Reason, at: WallTime, now: WallTime) -> Row {
    let mark = match reason.status {
        Status::Fail => "✕",
        Status::Warn => "!",
        Status::Pass | Status::Unknown => "?",
    };
    let text = match reason.since {
        // A sentence about a job or a backup was given its age when it was made.
        Some(since) => aged(&reason.dated(now), since, at, now),
        None => reason.sentence.clone(),
    };
    let page = match &reason.subject {
        Subject::Backup => "#/backups",
        Subject::Service(_) | Subject::Check(_) | Subject::Job(_) => "#/",
    };
    Row::new(&format!("{mark} {text}"), page)
}

fn sync(jobs: &[JobView], at: WallTime, now: WallTime) -> String {
    if let Some((job, since)) = jobs.iter().find_map(|j| j.running_since.map(|since| (j, since))) {
        return format!(
            "Sync: {} has been running for {}",
            job.name,
            words::span(now.since(since).unwrap_or_default())
        );
    }
    // The first of the worst: jobs keep the order of the configuration.
    let Some(job) = jobs.iter().rev().max_by_key(|j| j.status) else {
        return "Sync: no job is configured".to_owned();
    };
    let phrase = match job.last_success {
        Some(then) => aged(&job.phrase, then, at, now),
        None => job.phrase.clone(),
    };
    if jobs.len() > 1 { format!("Sync: {phrase} ({})", job.name) } else { format!("Sync: {phrase}") }
}

fn backup(backup: &BackupView) -> String {
    let phrase = match &backup.operation {
        _ if !backup.configured => "no data directory is configured".to_owned(),
        Some(o) => match o.done_bytes.saturating_mul(100).checked_div(o.total_bytes) {
            Some(percent) => format!("{}, {} %: {}", o.kind.gerund(), percent.min(100), o.phase),
            None => format!("{}: {}", o.kind.gerund(), o.phase),
        },
        None => backup.phrase.clone(),
    };
    format!("Backup: {phrase}")
}

/// The same words with the age of `then` as it is now: the agent said them at `at`, and says nothing new while
/// nothing but time has passed.
fn aged(text: &str, then: WallTime, at: WallTime, now: WallTime) -> String {
    let age = |at: WallTime| words::ago(at.since(then).unwrap_or_default());
    text.replacen(&age(at), &age(now), 1)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(ROW_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

impl Row {
    fn new(text: &str, page: &str) -> Self {
        Self { text: shorten(text), page: page.to_owned() }
    }
}
