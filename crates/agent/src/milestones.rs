//! What was done, told as one JSON object per line: in the agent's own log, and in `events.jsonl` in its home.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::milestone::{Milestone, TARGET};
use steady_model::service::{Lifecycle, State, StopReason};
use steady_model::time::Now;
use steady_model::words;

/// A file this full gets a number, and the one that had it goes: 5,000 events at least are kept.
const FULL: u64 = 1024 * 1024;

/// Rotations of one log are told no closer than this.
const APART: Duration = Duration::from_secs(60);

pub fn tell(milestone: &Milestone) {
    tracing::info!(target: TARGET, "{}", milestone.line());
}

/// `events.jsonl` of a home. Each write is a whole line.
#[derive(Debug, Clone)]
pub struct MilestoneFile {
    current: PathBuf,
    before: PathBuf,
}

impl MilestoneFile {
    pub fn new(home: &Path) -> Self {
        Self { current: home.join("events.jsonl"), before: home.join("events.1.jsonl") }
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.current)
    }
}

impl Write for MilestoneFile {
    /// Opened anew each time: it happens a few times an hour.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut file = self.open()?;
        if file.metadata()?.len() >= FULL {
            std::fs::rename(&self.current, &self.before)?;
            file = self.open()?;
        }
        file.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rotations of services' logs. A flood rotates many times a minute, which is one thing to tell.
#[derive(Debug, Default)]
pub struct Rotations(BTreeMap<String, Rotated>);

#[derive(Debug)]
struct Rotated {
    told: Now,
    untold: u64,
}

impl Rotations {
    /// The first of a minute is told at once, with how many there were since the one told before.
    pub fn rotated(&mut self, service: &str, bytes: u64, now: Now) -> Option<Milestone> {
        let before = self.0.get_mut(service);
        if let Some(before) = before
            && now.awake.since(before.told.awake) < APART
        {
            before.untold += 1;
            return None;
        }
        let told = Rotated { told: now, untold: 0 };
        let untold = self.0.insert(service.to_owned(), told).map_or(0, |before| before.untold);
        let told =
            Milestone::new("rotation_complete", now.wall).with("service", service).with("bytes", bytes);
        Some(told.with("rotations", untold + 1))
    }
}

/// Since when services are up, or down between two times of it.
#[derive(Debug, Default)]
pub struct Restarts(BTreeMap<String, Was>);

#[derive(Debug)]
enum Was {
    Up { since: Now },
    Down { since: Now, given_up: bool },
}

impl Restarts {
    /// What there is to tell of a service that changed. A stop that a person asked for is no part of a restart.
    pub fn changed(&mut self, name: &str, life: &Lifecycle, now: Now) -> Option<Milestone> {
        let was = self.0.remove(name);
        let (is, told) = match (&life.state, was) {
            (State::Stopped { reason: StopReason::Requested | StopReason::Completed(_), .. }, _) => {
                (None, None)
            }
            (State::Ready { since, .. }, Some(Was::Up { since: before })) if *since == before => {
                (Some(Was::Up { since: before }), None)
            }
            (State::Ready { since, .. }, was) => {
                let down = was.map(|was| match was {
                    Was::Up { .. } => *since,
                    Was::Down { since, .. } => since,
                });
                let told = down.map(|down| {
                    let restarted = Milestone::new("restart_complete", since.wall)
                        .with("service", name)
                        .with("restarts", life.restarts)
                        .took(since.awake.since(down.awake));
                    cause(restarted, life)
                });
                (Some(Was::Up { since: *since }), told)
            }
            (State::CrashLoop { .. }, Some(Was::Down { since, given_up: false })) => {
                let told = Milestone::new("restart_failed", now.wall)
                    .with("service", name)
                    .with("restarts", life.restarts)
                    .took(now.awake.since(since.awake));
                (Some(Was::Down { since, given_up: true }), Some(cause(told, life)))
            }
            // Alive, and not looked at as up or down anew.
            (State::Degraded { .. }, was) => (was, None),
            (_, Some(Was::Up { .. })) => (Some(Was::Down { since: now, given_up: false }), None),
            (_, was) => (was, None),
        };
        if let Some(is) = is {
            self.0.insert(name.to_owned(), is);
        }
        told
    }
}

fn cause(milestone: Milestone, life: &Lifecycle) -> Milestone {
    match life.last_end.as_ref().filter(|_| life.streak > 0) {
        Some((end, _)) => milestone.with("cause", words::end(end)),
        None => milestone,
    }
}

#[cfg(test)]
mod tests {
    use steady_model::process::ProcessId;
    use steady_model::time::{AwakeInstant, WallTime};

    use super::*;

    fn at(seconds: u64) -> Now {
        let wall = WallTime("2026-11-23T00:00:00Z".parse().unwrap());
        let passed = Duration::from_secs(seconds);
        Now { awake: AwakeInstant::since_boot(passed), wall: wall.after(passed) }
    }

    fn life(state: State) -> Lifecycle {
        Lifecycle { state, ..Lifecycle::default() }
    }

    fn ready(since: u64) -> Lifecycle {
        life(State::Ready { process: ProcessId { pid: 1, started: since }, since: at(since) })
    }

    #[test]
    fn a_restart_is_told_once_with_the_time_that_it_was_down() {
        let mut restarts = Restarts::default();
        let starting = || life(State::Starting { process: None, since: at(7) });
        assert_eq!(restarts.changed("brain", &starting(), at(1)), None);
        assert_eq!(restarts.changed("brain", &ready(2), at(2)), None, "the first start is none");
        assert_eq!(restarts.changed("brain", &ready(2), at(3)), None);
        assert_eq!(restarts.changed("brain", &starting(), at(7)), None);
        let told = restarts.changed("brain", &ready(9), at(9)).unwrap();
        assert!(told.line().starts_with(r#"{"event":"restart_complete","at":"2026-11-23T00:00:09Z","#));
        let line: serde_json::Value = serde_json::from_str(&told.line()).unwrap();
        assert_eq!(
            (&line["duration_ms"], &line["restarts"], &line["service"]),
            (&2000.into(), &0.into(), &"brain".into())
        );
        assert_eq!(steady_model::job::milestone(&told.line()).unwrap().event, "restart_complete");
        let stopped = life(State::Stopped { since: at(10).wall, reason: StopReason::Requested });
        assert_eq!(restarts.changed("brain", &stopped, at(10)), None);
        assert_eq!(restarts.changed("brain", &ready(20), at(20)), None, "a person started it");
        let looping = || life(State::CrashLoop { until: at(300).awake, cause: "exit code 1".to_owned() });
        restarts.changed("brain", &starting(), at(21));
        assert_eq!(restarts.changed("brain", &looping(), at(22)).unwrap().event, "restart_failed");
        assert_eq!(restarts.changed("brain", &looping(), at(400)), None, "told already");
    }

    #[test]
    fn a_flood_of_rotations_is_told_once_a_minute_with_their_number() {
        let mut rotations = Rotations::default();
        let told =
            (0..150).filter_map(|second| rotations.rotated("brain", 10, at(second))).collect::<Vec<_>>();
        let counts: Vec<u64> = told.iter().map(|m| m.fields["rotations"].as_u64().unwrap()).collect();
        assert_eq!(counts, [1, 60, 60]);
        assert!(rotations.rotated("worker", 10, at(150)).is_some());
    }

    #[test]
    fn the_file_is_bounded_and_keeps_whole_lines() {
        let home = tempfile::tempdir().unwrap();
        let mut file = MilestoneFile::new(home.path());
        let line = format!("{}\n", "x".repeat(99_999));
        for _ in 0..25 {
            file.write_all(line.as_bytes()).unwrap();
        }
        let mut kept = 0;
        for name in ["events.jsonl", "events.1.jsonl"] {
            let text = std::fs::read_to_string(home.path().join(name)).unwrap();
            assert!(text.lines().all(|l| l.len() == 99_999) && text.len() < 1_200_000, "{name}");
            kept += text.len();
        }
        assert!(kept > 1_000_000);
    }
}
