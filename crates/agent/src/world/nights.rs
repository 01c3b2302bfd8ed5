//! Scripted nights: what a person finds in the morning. The checks look as `steady_health` lets them look.

use std::sync::Arc;
use std::time::Duration;

use steady_model::check::{Observation, Status};
use steady_model::config::{self, Roots};
use steady_model::snapshot::{AgentInfo, Snapshot};
use steady_model::time::{AwakeInstant, Now, WallTime};

use super::World;

const CONFIG: &str = "version = 1\n\
    [check.api]\nkind = \"http\"\nurl = \"http://x\"\ninterval = \"10s\"\n\
    [check.vault]\nkind = \"path\"\npath = \"/v\"\ninterval = \"30s\"\n\
    [check.ollama]\nkind = \"ollama\"\nurl = \"http://o\"\nseverity = \"warning\"\ninterval = \"60s\"\n";
const SETTLE: u64 = 30;
const HOUR: u64 = 3600;

/// A machine, second by second.
struct Night {
    world: World,
    awake: u64,
    wall: WallTime,
    /// Per check: its name, its interval, and when (awake) it looks next.
    turns: Vec<(&'static str, u64, u64)>,
    /// Awake seconds after a wake until the network is back.
    network: u64,
    woke: u64,
    /// What really failed.
    dead: Option<&'static str>,
    /// Every verdict that was ever shown while awake, with its sentence.
    shown: Vec<(Status, String)>,
}

impl Night {
    fn begin(evening: &str) -> Self {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = config::parse(CONFIG, "steady.toml".as_ref(), roots).unwrap();
        let wall = WallTime(evening.parse().unwrap());
        let agent = AgentInfo {
            version: "0".into(),
            pid: 1,
            started: wall,
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 0,
        };
        let turns = vec![("api", 10, 0), ("vault", 30, 0), ("ollama", 60, 0)];
        let world = World::new(Arc::new(config), agent);
        let mut night =
            Self { world, awake: 1000, wall, turns, network: 20, woke: 0, dead: None, shown: Vec::new() };
        night.pass(120);
        assert_eq!(night.verdict().verdict.status, Status::Pass, "the evening is calm");
        night.shown.clear();
        night
    }

    fn now(&self) -> Now {
        Now { awake: AwakeInstant::since_boot(Duration::from_secs(self.awake)), wall: self.wall }
    }

    fn verdict(&mut self) -> Snapshot {
        let now = self.now();
        self.world.snapshot(now).0
    }

    /// Lives awake for so many seconds.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.awake += 1;
            self.wall = self.wall.after(Duration::from_secs(1));
            for at in 0..self.turns.len() {
                let (name, interval, next) = self.turns[at];
                if self.awake >= next {
                    self.turns[at].2 = self.awake + interval;
                    self.look(name);
                }
            }
            let seen = self.verdict().verdict;
            self.shown.push((seen.status, seen.sentence));
        }
    }

    fn look(&mut self, name: &'static str) {
        let offline = name != "vault" && self.awake < self.woke + self.network;
        let status = if self.dead == Some(name) || offline { Status::Fail } else { Status::Pass };
        let (evidence, at, took) = (format!("{status:?}"), self.now(), Duration::ZERO);
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
        self.world.check_observed(name, seen);
    }

    /// Sleeps and wakes. A look that was under way when the lid closed fails at the wake, before it is noticed.
    fn sleep(&mut self, seconds: u64) {
        self.wall = self.wall.after(Duration::from_secs(seconds));
        self.woke = self.awake;
        self.look("api");
        let now = self.now();
        self.world.woke(now, Duration::from_secs(SETTLE));
        for turn in &mut self.turns {
            turn.2 = self.awake + SETTLE;
        }
        self.look("ollama");
    }

    fn set_clock(&mut self, to: &str) {
        self.wall = WallTime(to.parse().unwrap());
    }

    fn never(&self, status: Status) {
        let bad = self.shown.iter().position(|(seen, _)| *seen == status);
        assert_eq!(bad.map(|at| (at, &self.shown[at].1)), None, "{status:?}");
    }
}

#[test]
fn a_lid_closed_for_twelve_hours_alarms_nobody_and_says_that_it_looks_again() {
    let mut night = Night::begin("2026-11-22T20:00:00Z");
    night.sleep(12 * HOUR);
    assert_eq!(night.verdict().verdict.sentence, "Steady — just woke, looking again");
    night.pass(600);
    for status in [Status::Warn, Status::Fail, Status::Unknown] {
        night.never(status);
    }
    assert_eq!(night.verdict().verdict.sentence, "Steady — all is well");
}

#[test]
fn a_hundred_and_fifty_one_naps_alarm_nobody() {
    for awake in [2, 7, 29, 31, 45, 100] {
        let mut night = Night::begin("2026-11-22T20:00:00Z");
        for nap in 0..151 {
            night.sleep(15 * 60);
            night.pass(awake + nap % 3);
        }
        night.pass(300);
        for status in [Status::Warn, Status::Fail, Status::Unknown] {
            night.never(status);
        }
    }
}

#[test]
fn what_really_died_in_its_sleep_is_told_soon_after_things_settled() {
    let mut night = Night::begin("2026-11-22T20:00:00Z");
    night.dead = Some("api");
    night.sleep(12 * HOUR);
    night.pass(SETTLE - 1);
    night.never(Status::Fail);
    // Three looks, ten seconds apart.
    night.pass(22);
    let seen = night.verdict().verdict;
    assert_eq!((seen.status, seen.reasons.len()), (Status::Fail, 1));
    assert_eq!(seen.sentence, "Steady — api, just now: Fail");
}

#[test]
fn what_died_among_naps_is_told_once_the_machine_stays_awake() {
    let mut night = Night::begin("2026-11-22T20:00:00Z");
    for nap in 0..151 {
        night.dead = (nap > 70).then_some("vault");
        night.sleep(15 * 60);
        night.pass(12);
    }
    night.pass(SETTLE + 3 * 30);
    assert_eq!(night.verdict().verdict.status, Status::Fail);
}

#[test]
fn what_was_red_before_the_sleep_is_red_after_it_until_it_is_seen_to_be_well() {
    let mut night = Night::begin("2026-11-22T20:00:00Z");
    night.dead = Some("vault");
    night.pass(200);
    night.sleep(8 * HOUR);
    let woken = night.verdict().verdict;
    assert_eq!(woken.sentence, "Steady — vault, since 8 h ago: Fail; just woke, looking again");
    night.dead = None;
    night.pass(SETTLE + 60);
    assert_eq!(night.verdict().verdict.status, Status::Pass);
}

#[test]
fn a_clock_that_is_set_changes_no_verdict() {
    for (evening, clock) in [
        ("2026-11-22T20:00:00Z", "2026-11-21T20:00:00Z"),
        ("2026-11-22T20:00:00Z", "2027-11-22T20:00:00Z"),
        // Berlin's clocks go back, and forth: in UTC nothing happens, and a wrong zone is put right.
        ("2026-10-25T00:58:00Z", "2026-10-24T23:58:00Z"),
        ("2026-03-29T00:58:00Z", "2026-03-29T01:58:00Z"),
    ] {
        let mut night = Night::begin(evening);
        night.set_clock(clock);
        night.pass(300);
        for status in [Status::Warn, Status::Fail, Status::Unknown] {
            night.never(status);
        }
        night.dead = Some("api");
        night.pass(31);
        assert_eq!(night.verdict().verdict.status, Status::Fail, "no failure is missed for it");
    }
}

#[test]
fn a_night_in_which_the_clocks_change_is_a_night_like_others() {
    for evening in ["2026-10-24T21:00:00Z", "2026-03-28T22:00:00Z"] {
        let mut night = Night::begin(evening);
        night.sleep(4 * HOUR);
        night.pass(60);
        night.sleep(4 * HOUR);
        night.pass(300);
        for status in [Status::Warn, Status::Fail, Status::Unknown] {
            night.never(status);
        }
    }
}

#[test]
fn a_weekend_off_alarms_nobody() {
    let mut night = Night::begin("2026-11-20T17:00:00Z");
    night.sleep(62 * HOUR);
    night.pass(600);
    for status in [Status::Warn, Status::Fail, Status::Unknown] {
        night.never(status);
    }
}

#[test]
fn checks_that_nobody_looks_at_any_more_turn_grey_and_say_for_how_long() {
    let mut night = Night::begin("2026-11-22T20:00:00Z");
    night.turns.retain(|turn| turn.0 != "vault");
    night.pass(300);
    let seen = night.verdict();
    assert_eq!(seen.verdict.status, Status::Unknown);
    let vault = seen.checks.iter().find(|c| c.name == "vault").unwrap();
    assert_eq!(vault.evidence, "not looked at for 5 min; then it was: Pass");
}
