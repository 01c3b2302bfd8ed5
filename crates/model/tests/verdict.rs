//! The sentences that people read, and which of them wins.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use steady_model::backup::{PointKind, RestorePoint, Space, judge, judge_space};
use steady_model::check::{Severity, Status};
use steady_model::process::{Exit, PortOwner, ProcessId};
use steady_model::project::service::view;
use steady_model::service::{End, Lifecycle, State, StopReason};
use steady_model::time::{AwakeInstant, Now, WallTime};
use steady_model::verdict::{CheckFact, Moment, Reason, Subject, conclude, judge_check, judge_service};

const NOW: u64 = 10_000;

fn at(second: u64) -> Now {
    let wall = jiff::Timestamp::from_second(1_790_000_000 + i64::try_from(second).unwrap()).unwrap();
    Now { awake: AwakeInstant::since_boot(Duration::from_secs(second)), wall: WallTime(wall) }
}

fn life(state: State) -> Lifecycle {
    Lifecycle { state, ..Lifecycle::default() }
}

fn process() -> ProcessId {
    ProcessId { pid: 4711, started: 1 }
}

fn died(life: Lifecycle) -> Lifecycle {
    Lifecycle { streak: 1, last_end: Some((End::Exited(Exit::Signal(9)), at(NOW - 3).wall)), ..life }
}

fn check(status: Status, severity: Severity) -> CheckFact<'static> {
    CheckFact {
        name: "vault",
        kind: "path",
        status,
        severity,
        evidence: "it is missing",
        since: None,
        observed: true,
        service: Some("brain"),
        explained_by: None,
        action: None,
    }
}

#[test]
fn every_state_of_a_service_is_told_in_one_sentence() {
    let since = at(NOW - 60);
    let until = AwakeInstant::since_boot(Duration::from_secs(NOW + 30));
    let owner = PortOwner {
        port: 8741,
        pid: Some(99),
        command: Some("python3 -m http.server".into()),
        since: None,
        ours: false,
    };
    let stopped = |reason| life(State::Stopped { since: since.wall, reason });
    let states = [
        life(State::Unknown),
        life(State::Starting { process: None, since }),
        died(life(State::Starting { process: Some(process()), since })),
        life(State::Degraded { process: process(), since, reason: "not ready after 30 s".into() }),
        died(life(State::Ready { process: process(), since: at(NOW - 2) })),
        stopped(StopReason::Requested),
        stopped(StopReason::Ended(End::Exited(Exit::Code(3)))),
        stopped(StopReason::Ended(End::Background { pid: 4712 })),
        stopped(StopReason::CouldNotStart("the program uvicorn is in none of PATH=/bin".into())),
        stopped(StopReason::Waiting("waiting for db".into())),
        died(life(State::Backoff { until, attempt: 3, cause: "exit code 3".into() })),
        died(life(State::CrashLoop { until, cause: "exit code 3".into() })),
        life(State::Foreign { owner, since: since.wall }),
    ];
    let told: Vec<String> = states
        .iter()
        .map(|life| {
            let reason = judge_service("brain", life, at(NOW)).0.unwrap();
            format!("{:?}: {}. {}.", reason.status, reason.dated(at(NOW).wall), reason.action)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_one_shot_that_did_its_work_is_no_trouble() {
    let done = life(State::Stopped { since: at(NOW).wall, reason: StopReason::Completed(Exit::Code(0)) });
    assert_eq!(judge_service("migrate", &done, at(NOW)), (None, None));
}

#[test]
fn a_service_that_came_back_is_amber_for_five_seconds_and_says_when_it_will_not_be() {
    let back = died(life(State::Ready { process: process(), since: at(NOW) }));
    let (reason, changes_in) = judge_service("brain", &back, at(NOW + 4));
    assert_eq!((reason.unwrap().status, changes_in), (Status::Warn, Some(Duration::from_secs(1))));
    assert_eq!(judge_service("brain", &back, at(NOW + 5)), (None, None));
}

#[test]
fn the_row_of_a_service_that_is_ready_and_not_well_says_why() {
    let back = died(life(State::Ready { process: process(), since: at(NOW - 2) }));
    let (reason, _) = judge_service("brain", &back, at(NOW));
    let row = view("brain", None, &back, reason.as_ref(), at(NOW));
    assert_eq!(
        (row.status, row.detail.as_str()),
        (Status::Warn, "back after signal 9 (SIGKILL) just now, ready for 2 s",)
    );
    assert_eq!(view("brain", None, &back, None, at(NOW)).detail, "ready for 2 s");
}

#[test]
fn a_cause_hides_its_effects_and_severity_caps_a_check() {
    let explained = CheckFact { explained_by: Some("brain"), ..check(Status::Fail, Severity::Critical) };
    assert_eq!(judge_check(&explained), None);
    let status = |status, severity| judge_check(&check(status, severity)).map(|r| r.status);
    assert_eq!(status(Status::Fail, Severity::Critical), Some(Status::Fail));
    assert_eq!(status(Status::Fail, Severity::Warning), Some(Status::Warn));
    assert_eq!(status(Status::Unknown, Severity::Critical), Some(Status::Unknown));
    assert_eq!(status(Status::Pass, Severity::Critical), None);
}

#[test]
fn work_under_way_explains_a_warning_but_never_a_failure() {
    let reason = |status| judge_check(&check(status, Severity::Critical)).unwrap();
    let said = |reasons: Vec<Reason>, busy: Option<&str>| {
        let moment = Moment { busy: busy.map(str::to_owned), settling: false };
        conclude(reasons, moment, "synced 2 h ago", at(NOW).wall).sentence
    };
    assert_eq!(said(vec![], None), "Steady — synced 2 h ago");
    assert_eq!(said(vec![reason(Status::Warn)], Some("backing up")), "Steady — backing up …");
    assert_eq!(said(vec![reason(Status::Fail)], Some("backing up")), "Steady — vault: it is missing");
    let worst = conclude(
        vec![reason(Status::Unknown), reason(Status::Fail), reason(Status::Warn)],
        Moment::default(),
        "",
        at(NOW).wall,
    );
    assert_eq!(worst.status, Status::Fail);
    assert_eq!(
        conclude(vec![reason(Status::Unknown)], Moment::default(), "", at(NOW).wall).status,
        Status::Unknown,
        "unknown is never green"
    );
}

#[test]
fn after_a_wake_the_sentence_says_that_everything_is_looked_at_again() {
    let reason = |status| judge_check(&check(status, Severity::Critical)).unwrap();
    let moment = Moment { busy: None, settling: true };
    let woken = |reasons| conclude(reasons, moment.clone(), "synced 2 h ago", at(NOW).wall);
    assert_eq!(woken(vec![]).sentence, "Steady — just woke, looking again");
    assert_eq!(woken(vec![reason(Status::Warn)]).sentence, "Steady — just woke, looking again");
    let failed = woken(vec![reason(Status::Fail)]);
    assert_eq!(failed.status, Status::Fail, "what failed before the sleep is not forgotten");
    assert_eq!(failed.sentence, "Steady — vault: it is missing; just woke, looking again");
}

#[test]
fn a_reason_says_since_when_and_what_its_cause_asks_for() {
    let missing = CheckFact {
        since: Some(at(NOW - 720).wall),
        action: Some("Correct its path"),
        ..check(Status::Fail, Severity::Critical)
    };
    let reason = judge_check(&missing).unwrap();
    assert_eq!(reason.dated(at(NOW).wall), "vault, since 12 min ago: it is missing");
    assert_eq!(reason.action, "Correct its path", "the cause knows better than the kind");
    let whole = conclude(vec![reason.clone()], Moment::default(), "", at(NOW).wall);
    assert_eq!(whole.sentence, "Steady — vault, since 12 min ago: it is missing");
    assert_eq!(reason.dated(at(NOW - 720).wall), "vault, just now: it is missing");
    let job =
        Reason { subject: Subject::Job("sync".into()), sentence: "sync: failed just now".into(), ..reason };
    assert_eq!(job.dated(at(NOW).wall), "sync: failed just now", "its date is that of the last success");
}

#[test]
fn every_kind_of_check_says_what_to_do_about_it() {
    const KINDS: [&str; 18] = [
        "http", "tcp", "process", "port", "path", "disk", "marker", "command", "log", "sqlite", "equality",
        "count", "postgres", "outbox", "redis", "ollama", "docker", "usage",
    ];
    let told =
        |kind, status| judge_check(&CheckFact { kind, ..check(status, Severity::Critical) }).unwrap().action;
    let all: Vec<String> = KINDS.iter().map(|kind| format!("{kind}: {}", told(kind, Status::Fail))).collect();
    insta::assert_snapshot!(all.join("\n"));
    let unlooked = CheckFact { observed: false, ..check(Status::Unknown, Severity::Critical) };
    assert_eq!(judge_check(&unlooked).unwrap().action, "Wait for its first answer");
}

#[test]
fn the_next_backup_needs_a_fifth_more_room_than_the_last_took() {
    let space = |free| Space { free, total: 1000 };
    assert_eq!(judge_space(space(119), Some(Some(100))).0, Status::Warn);
    assert_eq!(judge_space(space(120), Some(Some(100))).0, Status::Pass);
    assert_eq!(judge_space(space(1), Some(None)).0, Status::Pass, "nothing to compare with");
    assert_eq!(judge_space(space(999), None).0, Status::Unknown, "not green before the catalogue was read");
}

#[test]
fn only_a_verified_point_counts_as_a_backup() {
    let point = |age: u64, verified: bool| RestorePoint {
        id: "ab".into(),
        taken: at(NOW - age).wall,
        verified: verified.then(|| at(NOW - age).wall),
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
    };
    let hour = Duration::from_secs(3600);
    let judged = |points: &[RestorePoint]| judge(points, hour, at(NOW).wall);
    assert_eq!(judged(&[]), (Status::Warn, "never backed up".into()));
    assert_eq!(judged(&[point(60, false)]), (Status::Warn, "no backup could be verified".into()));
    assert_eq!(judged(&[point(60, false), point(120, true)]), (Status::Pass, "backed up 2 min ago".into()));
    assert_eq!(judged(&[point(7200, true)]).0, Status::Warn);
}
