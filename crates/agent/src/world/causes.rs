//! Promises of how checks are judged beside services, backups and figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use steady_model::backup::{PointKind, RestorePoint, Space};
use steady_model::check::{Observation, Status};
use steady_model::config::{self, Roots};
use steady_model::process::ProcessId;
use steady_model::service::{Lifecycle, State};
use steady_model::snapshot::{AgentInfo, CheckView, Snapshot};
use steady_model::time::{AwakeInstant, Now, WallTime};
use steady_model::usage::Usage;

use super::World;

const CONFIG: &str = "version = 1\n[service.brain]\ncommand = [\"brain\"]\n\
    [check.health]\nkind = \"http\"\nurl = \"http://x\"\nservice = \"brain\"\nwarm_up = \"20s\"\n\
    [check.search]\nkind = \"http\"\nurl = \"http://y\"\ndepends_on = [\"health\"]\n\
    [check.memory]\nkind = \"usage\"\nservice = \"brain\"\nmemory_above = \"1 GB\"\ninterval = \"10s\"\n\
    [backup]\nsource = \"/data\"\n";

fn at(second: u64) -> Now {
    let wall = WallTime("2026-11-22T10:00:00Z".parse().unwrap()).after(Duration::from_secs(second));
    Now { awake: AwakeInstant::since_boot(Duration::from_secs(second)), wall }
}

/// `brain` became ready at second 100.
fn world() -> World {
    world_of(CONFIG)
}

fn world_of(text: &str) -> World {
    let roots = Roots { base: "/".as_ref(), user_home: None };
    let config = config::parse(text, "steady.toml".as_ref(), roots).unwrap();
    let agent = AgentInfo {
        version: "0".into(),
        pid: 1,
        started: at(0).wall,
        config: "steady.toml".into(),
        panel: None,
        usage: None,
        lag_ms: 0,
    };
    let mut world = World::new(Arc::new(config), agent);
    world.snapshot(at(99));
    world.service_changed("brain", ready(100));
    world
}

fn ready(second: u64) -> Lifecycle {
    let process = ProcessId { pid: 4711, started: 1 };
    Lifecycle { state: State::Ready { process, since: at(second) }, ..Lifecycle::default() }
}

fn see(world: &mut World, check: &str, status: Status, second: u64) {
    let (evidence, took) = (format!("{status:?}"), Duration::ZERO);
    let at = at(second);
    let seen = Observation {
        status,
        evidence,
        fact: false,
        at,
        took,
        measure: None,
        samples: Vec::new(),
        action: None,
    };
    world.check_observed(check, seen);
}

fn row<'a>(s: &'a Snapshot, name: &str) -> &'a CheckView {
    s.checks.iter().find(|c| c.name == name).unwrap()
}

/// What the reasons are about.
fn told(s: &Snapshot) -> String {
    let lines: Vec<&str> = s.verdict.reasons.iter().map(|r| r.sentence.as_str()).collect();
    lines.join(" | ")
}

#[test]
fn a_check_explains_those_that_depend_on_it_and_a_mere_warning_of_its_service_hides_no_failure() {
    let mut world = world();
    see(&mut world, "health", Status::Fail, 130);
    see(&mut world, "search", Status::Fail, 130);
    let seen = world.snapshot(at(131)).0;
    assert_eq!(row(&seen, "search").explained_by.as_deref(), Some("health"));
    assert_eq!(row(&seen, "search").status, Status::Fail, "the row tells it all the same");
    assert!(!told(&seen).contains("search"), "{}", told(&seen));
    world.warned("brain", Some("its unit is not loaded".into()));
    let warned = world.snapshot(at(132)).0;
    assert_eq!(warned.verdict.status, Status::Fail, "{}", told(&warned));
    let down = State::Starting { process: None, since: at(133) };
    world.service_changed("brain", Lifecycle { state: down, ..Lifecycle::default() });
    let down = world.snapshot(at(134)).0;
    assert_eq!(row(&down, "health").explained_by.as_deref(), Some("brain"));
    assert_eq!(row(&down, "search").explained_by.as_deref(), Some("brain"), "the root of it");
}

#[test]
fn a_service_warms_up_from_when_it_is_ready() {
    let mut world = world();
    see(&mut world, "health", Status::Fail, 110);
    let warming = world.snapshot(at(111)).0;
    let health = row(&warming, "health");
    assert_eq!(
        (health.status, health.evidence.as_str()),
        (Status::Unknown, "Fail; it may take 10 s more to warm up")
    );
    see(&mut world, "health", Status::Fail, 120);
    assert_eq!(row(&world.snapshot(at(121)).0, "health").status, Status::Fail);
}

#[test]
fn a_failed_backup_is_amber_until_one_succeeds_and_says_what_failed() {
    let mut world = world();
    world.backup_facts().points = Some(vec![]);
    world.backup_facts().last_error = Some("the last backup failed: the disk is full".into());
    let seen = world.snapshot(at(110)).0;
    assert!(told(&seen).contains("the last backup failed: the disk is full"), "{}", told(&seen));
    assert_eq!(
        seen.verdict.reasons.iter().map(|r| r.status).max(),
        Some(Status::Warn),
        "nothing is lost yet"
    );
}

#[test]
fn a_check_without_a_service_warms_up_from_the_agents_start() {
    let mut world =
        world_of("version = 1\n[check.api]\nkind = \"http\"\nurl = \"http://x\"\nwarm_up = \"20s\"\n");
    // The first snapshot was at second 99.
    see(&mut world, "api", Status::Fail, 110);
    assert_eq!(row(&world.snapshot(at(111)).0, "api").status, Status::Unknown);
    see(&mut world, "api", Status::Fail, 120);
    assert_eq!(row(&world.snapshot(at(121)).0, "api").status, Status::Fail);
}

#[test]
fn a_check_of_the_users_own_takes_the_place_of_backup_space() {
    let own = "[check.backup-space]\nkind = \"disk\"\npath = \"/backups\"\n";
    let mut world = world_of(&format!("{CONFIG}{own}"));
    world.backup_facts().points = Some(vec![]);
    see(&mut world, "backup-space", Status::Pass, 102);
    world.space_seen(Ok(Space { free: 0, total: 1000 }), at(103));
    let seen = world.snapshot(at(104)).0;
    let rows: Vec<&CheckView> = seen.checks.iter().filter(|c| c.name == "backup-space").collect();
    assert_eq!((rows.len(), rows[0].evidence.as_str()), (1, "Pass"), "one row, and what their check saw");
}

#[test]
fn figures_are_judged_as_often_as_the_check_says_and_none_is_no_green() {
    let mut world = world();
    let sample = |world: &mut World, memory_bytes, second| {
        let at = at(second);
        let usage = Usage { at: at.wall, processes: 1, memory_bytes, cpu_ms: 0, cpu_permille: None };
        world.usage_sampled(BTreeMap::from([("brain".to_owned(), usage)]), at);
        let (status, evidence) = {
            let seen = world.snapshot(at).0;
            (row(&seen, "memory").status, row(&seen, "memory").evidence.clone())
        };
        (status, evidence)
    };
    assert_eq!(row(&world.snapshot(at(101)).0, "memory").status, Status::Unknown);
    assert_eq!(sample(&mut world, 600_000_000, 102), (Status::Pass, "600.0 MB of memory".into()));
    for second in [112, 114, 116, 118, 122] {
        assert_eq!(sample(&mut world, 1_200_000_000, second).0, Status::Pass, "two judged samples");
    }
    let (status, evidence) = sample(&mut world, 1_200_000_000, 132);
    assert_eq!((status, evidence.as_str()), (Status::Fail, "1.2 GB of memory, its limit is 1.0 GB"));
}

#[test]
fn the_room_for_the_next_backup_is_a_row_of_its_own() {
    let mut world = world();
    let point = RestorePoint {
        id: "ab".into(),
        taken: at(0).wall,
        verified: Some(at(0).wall),
        kind: PointKind::Manual,
        bytes: 100,
        files: 1,
        added: 1,
        missing: vec![],
        notes: Vec::new(),
        findings: Vec::new(),
        reading: None,
        stores: vec![],
        imported: None,
    };
    assert_eq!(row(&world.snapshot(at(101)).0, "backup-space").status, Status::Unknown);
    world.space_seen(Ok(Space { free: 110, total: 1000 }), at(102));
    assert_eq!(row(&world.snapshot(at(103)).0, "backup-space").status, Status::Unknown, "no catalogue yet");
    world.backup_facts().points = Some(vec![point]);
    world.judge_space(at(104));
    let seen = world.snapshot(at(105)).0;
    assert_eq!(row(&seen, "backup-space").status, Status::Warn);
    assert!(told(&seen).contains("110 B of 1.0 kB free where the backups are, the next one may need 120 B"));
    world.space_seen(Err("the volume is gone".into()), at(170));
    assert_eq!(row(&world.snapshot(at(171)).0, "backup-space").status, Status::Unknown);
}

#[test]
fn a_history_that_cannot_be_written_is_a_warning_while_it_lasts() {
    let mut world = world();
    world.history_told(Some("the history in /h cannot be written: disk full".into()), at(110));
    let seen = world.snapshot(at(111)).0;
    assert_eq!(row(&seen, "history").status, Status::Warn);
    assert!(told(&seen).contains("disk full"));
    world.history_told(None, at(120));
    assert!(world.snapshot(at(121)).0.checks.iter().all(|c| c.name != "history"));
}
