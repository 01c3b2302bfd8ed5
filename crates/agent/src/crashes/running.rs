//! What tells the next agent that the one before ended without a word.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_crash::Store;
use steady_disk::DiskError;
use steady_model::crash::{self, CrashReport, CrashSubject};
use steady_model::time::WallTime;

use crate::home::Home;

const VERSION: u32 = 1;

/// `<home>/agent.running`: there while an agent runs, and after one that could not say farewell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    pid: u32,
    since: WallTime,
    /// Of the boot it ran in; unknown where the system does not tell.
    boot: Option<String>,
}

/// Held from an agent's start to its orderly end, whose farewell is the removal of its record. A panic that ends
/// the agent has written its own report and counts as one.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
}

impl Running {
    /// Reports an earlier agent that was cut off, then leaves a record of this one. The caller holds the agent's
    /// lock: an earlier one is gone.
    pub fn begin(home: &Home, boot: Option<String>, now: WallTime) -> Result<Self, DiskError> {
        let path = home.root().join("agent.running");
        if let Some(earlier) = read(&path) {
            let report = report(&earlier, boot.as_deref(), now, last_lines(home.root()));
            tracing::warn!("{}", report.cause);
            if let Err(e) = Store::of(home.root()).write(&report) {
                tracing::error!("no crash report of the earlier agent: {e}");
            }
        }
        let record = Record { version: VERSION, pid: std::process::id(), since: now, boot };
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        steady_disk::write_atomic(&path, &bytes, 0o600)?;
        Ok(Self { path })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.path) {
            tracing::warn!(
                "cannot remove {}: {e}; the next agent takes this one for cut off",
                self.path.display()
            );
        }
    }
}

/// `None` also for a record that cannot be understood: it tells nothing that would help anybody.
fn read(path: &Path) -> Option<Record> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => {
            tracing::warn!("cannot read {}: {e}", path.display());
            return None;
        }
    };
    serde_json::from_slice(&bytes).map_err(|e| tracing::warn!("{} is damaged: {e}", path.display())).ok()
}

/// The log that `steady up` gives the agent, or the one before it.
fn last_lines(home: &Path) -> Vec<String> {
    let lines = steady_crash::end_of_file(&home.join("agent.log"));
    if lines.is_empty() { steady_crash::end_of_file(&home.join("agent.log.old")) } else { lines }
}

fn report(earlier: &Record, boot: Option<&str>, now: WallTime, log: Vec<String>) -> CrashReport {
    let cause = match (earlier.boot.as_deref(), boot) {
        (Some(was), Some(is)) if was != is => {
            "the machine went down (a power loss, a crash of the system, a forced restart) while the agent ran"
        }
        (Some(_), Some(_)) => {
            "the agent ended without a word: it was killed by a person, or by the system when memory ran out"
        }
        _ => "the agent ended without a word: it was killed, or the machine went down",
    };
    CrashReport {
        version: crash::VERSION,
        id: crash::id(&CrashSubject::Agent, now, earlier.pid),
        subject: CrashSubject::Agent,
        at: now,
        cause: format!("{cause}; found at the next start, it had begun at {}", earlier.since),
        end: None,
        pid: Some(earlier.pid),
        // When it ended is not known.
        uptime_ms: None,
        streak: 1,
        steady: env!("CARGO_PKG_VERSION").to_owned(),
        command: Vec::new(),
        cwd: None,
        env: BTreeMap::new(),
        log,
        backtrace: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> WallTime {
        WallTime("2026-11-23T03:16:12Z".parse().unwrap()).after(std::time::Duration::from_secs(second))
    }

    fn causes(home: &Home) -> Vec<String> {
        Store::of(home.root()).list().unwrap().reports.into_iter().map(|r| r.cause).collect()
    }

    #[test]
    fn an_agent_that_ended_in_order_leaves_no_report_and_one_that_was_cut_off_does() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        drop(Running::begin(&home, Some("boot 1".into()), at(0)).unwrap());
        drop(Running::begin(&home, Some("boot 1".into()), at(1)).unwrap());
        assert!(causes(&home).is_empty());

        fs::write(dir.path().join("agent.log"), "its last words\n").unwrap();
        std::mem::forget(Running::begin(&home, Some("boot 1".into()), at(2)).unwrap());
        std::mem::forget(Running::begin(&home, Some("boot 1".into()), at(3)).unwrap());
        let killed = causes(&home);
        assert_eq!(killed.len(), 1);
        assert!(killed[0].contains("killed by a person") && killed[0].contains("03:16:14Z"), "{killed:?}");
        let store = Store::of(home.root());
        let report = store.read(&store.list().unwrap().reports[0].id).unwrap();
        assert_eq!(
            (report.log.as_slice(), report.pid),
            (&["its last words".to_owned()][..], Some(std::process::id()))
        );

        drop(Running::begin(&home, Some("boot 2".into()), at(4)).unwrap());
        assert!(causes(&home)[0].starts_with("the machine went down"), "{:?}", causes(&home));
    }

    #[test]
    fn version_1_of_the_record_is_understood_and_a_torn_one_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let path = dir.path().join("agent.running");
        fs::write(&path, r#"{"version":1,"pid":4711,"since":"2026-11-22T10:00:00Z","boot":null}"#).unwrap();
        drop(Running::begin(&home, None, at(0)).unwrap());
        assert!(causes(&home)[0].contains("2026-11-22T10:00:00Z"), "{:?}", causes(&home));
        fs::write(&path, "{\"version\":1,").unwrap();
        drop(Running::begin(&home, None, at(1)).unwrap());
        assert_eq!(causes(&home).len(), 1);
    }
}
