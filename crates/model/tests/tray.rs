//! What the tray says in each state, word for word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use steady_model::backup::{Operation, OperationKind, PointKind, RestorePoint};
use steady_model::check::Status;
use steady_model::project::tray::{REASONS, Shape, Tone, TrayModel, tray};
use steady_model::snapshot::{AgentInfo, BackupView, JobView, ServiceStatus, ServiceView, Snapshot};
use steady_model::time::WallTime;
use steady_model::verdict::{Moment, Reason, Subject, Verdict, conclude};

fn at(time: &str) -> WallTime {
    WallTime(format!("2026-11-22T{time}Z").parse().unwrap())
}

fn point() -> RestorePoint {
    RestorePoint {
        id: "9f2c".into(),
        taken: at("06:10:00"),
        verified: Some(at("06:10:04")),
        kind: PointKind::Manual,
        bytes: 1,
        files: 1,
        added: 1,
        missing: vec![],
        notes: Vec::new(),
        findings: Vec::new(),
        reading: None,
        stores: vec![],
        imported: None,
    }
}

fn job(name: &str, status: Status, phrase: &str) -> JobView {
    JobView {
        name: name.into(),
        status,
        phrase: phrase.into(),
        runnable: true,
        running_since: None,
        last_success: Some(at("08:00:00")),
        next: None,
        runs: vec![],
        failed: None,
        notes: vec![],
        markers: None,
    }
}

fn reason(status: Status, subject: Subject, sentence: &str, since: &str) -> Reason {
    Reason { status, subject, sentence: sentence.into(), since: Some(at(since)), action: "Look".into() }
}

fn verdict(reasons: Vec<Reason>, busy: Option<&str>) -> Verdict {
    conclude(
        reasons,
        Moment { busy: busy.map(str::to_owned), settling: false },
        "synced 2 h ago, backed up 06:10",
        at("10:00:00"),
    )
}

/// A well backend at 10:00, synced at 08:00.
fn snapshot() -> Snapshot {
    Snapshot {
        version: 7,
        at: at("10:00:00"),
        agent: AgentInfo {
            version: "0.1.0".into(),
            pid: 1,
            started: at("07:00:00"),
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 0,
        },
        verdict: verdict(vec![], None),
        services: vec![ServiceView {
            name: "brain".into(),
            state: ServiceStatus::Ready,
            status: Status::Pass,
            wanted: true,
            detail: "ready for 3 h".into(),
            pid: Some(2),
            port: Some(8741),
            since: Some(at("07:00:00")),
            restarts: 0,
            last_exit: None,
            foreign: None,
            usage: None,
            warning: None,
        }],
        checks: vec![],
        jobs: vec![job("daily-sync", Status::Pass, "synced 2 h ago")],
        crashes: vec![],
        backup: BackupView {
            drill: None,
            configured: true,
            status: Status::Pass,
            phrase: "backed up 06:10".into(),
            points: vec![point()],
            operation: None,
            last_operation: None,
            unfinished: None,
            last_restore: None,
            last_error: None,
            next: None,
            pruned: None,
            copies: vec![],
            key: None,
        },
    }
}

fn operation(kind: OperationKind, total_bytes: u64) -> Operation {
    Operation {
        id: "1".into(),
        kind,
        started: at("09:59:00"),
        phase: "copying notes.db".into(),
        done_bytes: 40,
        total_bytes,
        done_files: 0,
        total_files: 0,
        rate: None,
        remaining_s: None,
        can_cancel: true,
    }
}

/// The menu as a person sees it; rows that cannot be clicked are in brackets.
fn picture(model: &TrayModel) -> String {
    let mut rows =
        vec![format!("icon: {:?} {:?}", model.icon.shape, model.icon.tone), model.sentence.clone()];
    rows.extend(model.notice.clone().map(|n| format!("({n})")));
    rows.extend(model.reasons.iter().map(|r| format!("{} -> {}", r.text, r.page)));
    rows.push(format!("{} -> {}", model.sync.text, model.sync.page));
    rows.push(format!("{} -> {}", model.backup.text, model.backup.page));
    let always =
        [&model.restart, &model.sync_now, &model.back_up, &model.restore, &model.open_panel, &model.quit];
    for command in model.start_agent.iter().chain(always) {
        rows.push(if command.enabled { command.label.to_owned() } else { format!("[{}]", command.label) });
    }
    rows.join("\n")
}

fn shown(snapshot: &Snapshot) -> String {
    picture(&tray(Some(snapshot), snapshot.at))
}

#[test]
fn a_well_backend_is_a_green_disc_with_one_sentence() {
    insta::assert_snapshot!(shown(&snapshot()), @r"
    icon: Disc Green
    Steady — synced 2 h ago, backed up 06:10
    Sync: synced 2 h ago -> #/
    Backup: backed up 06:10 -> #/backups
    Restart backend
    Sync now
    Back up now
    Restore…
    Open panel
    Quit Steady (the backend keeps running)
    ");
}

#[test]
fn a_warning_is_a_notched_disc_with_its_reason() {
    let mut s = snapshot();
    let why = "brain is back after signal 9 (SIGKILL) just now";
    s.verdict = verdict(vec![reason(Status::Warn, Subject::Service("brain".into()), why, "09:59:58")], None);
    insta::assert_snapshot!(shown(&s), @r"
    icon: Notched Amber
    Steady — brain is back after signal 9 (SIGKILL) just now
    ! brain is back after signal 9 (SIGKILL) just now -> #/
    Sync: synced 2 h ago -> #/
    Backup: backed up 06:10 -> #/backups
    Restart backend
    Sync now
    Back up now
    Restore…
    Open panel
    Quit Steady (the backend keeps running)
    ");
}

#[test]
fn a_failure_is_a_crossed_ring_with_the_three_worst_reasons() {
    let mut s = snapshot();
    s.verdict = verdict(
        vec![
            reason(Status::Warn, Subject::Backup, "the newest restore point is not verified", "06:10:00"),
            reason(
                Status::Fail,
                Subject::Service("brain".into()),
                "brain ended with exit code 3",
                "09:48:00",
            ),
            reason(Status::Warn, Subject::Check("disk".into()), "disk: 3.1 GB free", "09:00:00"),
            reason(Status::Warn, Subject::Check("vault".into()), "vault: 12 days old", "09:00:00"),
        ],
        None,
    );
    s.services.clear();
    s.backup.points.clear();
    insta::assert_snapshot!(shown(&s), @r"
    icon: Crossed Red
    Steady — brain ended with exit code 3
    ✕ brain ended with exit code 3 -> #/
    ! the newest restore point is not verified -> #/backups
    ! disk, since 1 h ago: 3.1 GB free -> #/
    Sync: synced 2 h ago -> #/
    Backup: backed up 06:10 -> #/backups
    [Restart backend]
    Sync now
    Back up now
    [Restore…]
    Open panel
    Quit Steady (the backend keeps running)
    ");
    assert_eq!(tray(Some(&s), s.at).reasons.len(), REASONS);
}

#[test]
fn what_was_never_looked_at_is_a_dashed_ring() {
    let mut s = snapshot();
    let why = "brain has not been looked at yet";
    s.verdict = verdict(
        vec![Reason { since: None, ..reason(Status::Unknown, Subject::Job("x".into()), why, "10:00:00") }],
        None,
    );
    s.jobs.clear();
    s.backup.configured = false;
    s.backup.points.clear();
    insta::assert_snapshot!(shown(&s), @r"
    icon: Dashed Grey
    Steady — brain has not been looked at yet
    ? brain has not been looked at yet -> #/
    Sync: no job is configured -> #/
    Backup: no data directory is configured -> #/backups
    Restart backend
    [Sync now]
    [Back up now]
    [Restore…]
    Open panel
    Quit Steady (the backend keeps running)
    ");
}

#[test]
fn a_restore_is_a_busy_arc_and_nothing_else_may_be_started() {
    let mut s = snapshot();
    s.verdict = verdict(vec![], Some("restoring"));
    s.backup.operation = Some(operation(OperationKind::Restore, 80));
    insta::assert_snapshot!(shown(&s), @r"
    icon: Arc Green
    Steady — restoring …
    Sync: synced 2 h ago -> #/
    Backup: restoring, 50 %: copying notes.db -> #/backups
    [Restart backend]
    [Sync now]
    [Back up now]
    Restore…
    Open panel
    Quit Steady (the backend keeps running)
    ");
}

#[test]
fn a_backup_of_unknown_size_shows_no_percentage_and_leaves_the_backend_alone() {
    let mut s = snapshot();
    s.verdict = verdict(vec![], Some("backing up"));
    s.backup.operation = Some(operation(OperationKind::Backup, 0));
    let model = tray(Some(&s), s.at);
    assert_eq!(model.backup.text, "Backup: backing up: copying notes.db");
    assert!(model.restart.enabled && !model.back_up.enabled);
}

#[test]
fn a_silent_agent_is_grey_offers_a_start_and_nothing_that_needs_it() {
    insta::assert_snapshot!(picture(&tray(None, at("10:00:00"))), @r"
    icon: Dashed Grey
    Steady — the agent does not answer
    Sync: not known -> #/
    Backup: not known -> #/backups
    Start the agent
    [Restart backend]
    [Sync now]
    [Back up now]
    [Restore…]
    Open panel
    Quit Steady
    ");
}

#[test]
fn a_running_job_cannot_be_started_twice_and_says_how_long_it_runs() {
    let mut s = snapshot();
    s.jobs[0].running_since = Some(at("09:59:48"));
    let model = tray(Some(&s), s.at);
    assert_eq!(model.sync.text, "Sync: daily-sync has been running for 12 s");
    assert!(!model.sync_now.enabled);
}

#[test]
fn of_several_jobs_the_worst_is_named() {
    let mut s = snapshot();
    s.jobs.push(job("reindex", Status::Fail, "last sync failed 5 min ago: no such folder"));
    s.jobs.push(job("export", Status::Pass, "synced 2 h ago"));
    assert_eq!(tray(Some(&s), s.at).sync.text, "Sync: last sync failed 5 min ago: no such folder (reindex)");
}

#[test]
fn ages_grow_while_the_agent_has_nothing_new_to_say() {
    let s = snapshot();
    let model = tray(Some(&s), s.at.after(Duration::from_secs(3600)));
    assert_eq!(model.sentence, "Steady — synced 3 h ago, backed up 06:10");
    assert_eq!(model.sync.text, "Sync: synced 3 h ago");
}

#[test]
fn news_of_a_click_never_hides_the_status() {
    let s = snapshot();
    let calm = tray(Some(&s), s.at);
    let model = calm.clone().with_notice(Some("Restart of brain refused: it is being restored"));
    assert_eq!((&model.sentence, model.icon), (&calm.sentence, calm.icon));
    assert_eq!(model.notice.as_deref(), Some("Restart of brain refused: it is being restored"));
}

#[test]
fn a_long_reason_does_not_make_the_menu_as_wide_as_the_screen() {
    let mut s = snapshot();
    let why = "größe ".repeat(100);
    s.verdict = verdict(vec![reason(Status::Fail, Subject::Backup, &why, "09:00:00")], None);
    let model = tray(Some(&s), s.at);
    for text in [&model.sentence, &model.reasons[0].text] {
        assert!(text.chars().count() <= 89 && text.ends_with('…'), "{text}");
    }
}

#[test]
fn green_is_shown_for_pass_alone_and_each_state_has_its_own_shape() {
    let mut shapes = vec![];
    for status in [Status::Pass, Status::Unknown, Status::Warn, Status::Fail] {
        let mut s = snapshot();
        s.verdict.status = status;
        let calm = tray(Some(&s), s.at).icon;
        s.verdict.busy = Some("restoring".into());
        let busy = tray(Some(&s), s.at).icon;
        assert_eq!(calm.tone == Tone::Green, status == Status::Pass, "{status:?}");
        assert_eq!((busy.shape, busy.tone), (Shape::Arc, calm.tone), "{status:?}");
        assert!(!shapes.contains(&calm.shape), "{status:?}");
        shapes.push(calm.shape);
    }
}
