//! What a drill has done so far.

use steady_backup::{LoadedDump, Progress};
use steady_model::check::{Observation, Status};
use steady_model::drill::{DrillStep, DrillWork};
use steady_model::time::AwakeInstant;

/// What a drill failed of.
#[derive(Debug)]
pub struct Failure {
    pub at: DrillWork,
    pub why: String,
}

pub struct Course<'a> {
    pub steps: Vec<DrillStep>,
    pub files: u64,
    pub bytes: u64,
    doing: DrillWork,
    since: AwakeInstant,
    on_progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl<'a> Course<'a> {
    pub fn new(on_progress: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        let since = steady_clock::now().awake;
        Self { steps: Vec::new(), files: 0, bytes: 0, doing: DrillWork::Restored, since, on_progress }
    }

    pub fn begin(&mut self, what: DrillWork) {
        self.doing = what;
        self.since = steady_clock::now().awake;
        self.tell(Progress::of(what.gerund()));
    }

    pub fn tell(&self, progress: Progress) {
        (self.on_progress)(progress);
    }

    pub fn done(&mut self, said: String) {
        let took = steady_clock::now().awake.since(self.since);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.steps.push(DrillStep { what: self.doing, took_ms, said });
    }

    /// A step of its own for each dump, with its own time. The first that did not load is what the drill fails of.
    pub fn loaded(&mut self, dumps: Vec<LoadedDump>) -> Result<(), Failure> {
        let mut failure = None;
        for dump in dumps {
            match dump.outcome {
                Ok(said) => self.steps.push(DrillStep { what: self.doing, took_ms: dump.took_ms, said }),
                Err(why) => failure = failure.or_else(|| Some(self.failed(format!("{}: {why}", dump.name)))),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    pub fn failed(&self, why: String) -> Failure {
        Failure { at: self.doing, why }
    }

    /// A warning is no failure: the backend answers, as it does when it is in use.
    pub fn answered(&mut self, seen: Option<Observation>) -> Result<(), Failure> {
        match seen {
            Some(seen) if matches!(seen.status, Status::Pass | Status::Warn) => {
                self.done(seen.evidence);
                Ok(())
            }
            Some(seen) => Err(self.failed(seen.evidence)),
            None => Err(self.failed("it did not answer in time".to_owned())),
        }
    }
}
