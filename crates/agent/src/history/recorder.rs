//! Which states began with a snapshot. Pure.

use std::collections::BTreeMap;

use steady_model::check::Status;
use steady_model::history::Lived;
use steady_model::snapshot::{ServiceStatus, ServiceView, Snapshot};
use steady_model::time::WallTime;

/// A longer sentence is cut.
const LONGEST: usize = 500;

/// A state of a subject began, or the subject is no more (`state` is `None`); what it was in before has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub subject: String,
    pub at: WallTime,
    pub state: Option<(Lived, String)>,
}

/// What each subject was in with the last snapshot.
#[derive(Debug, Default)]
pub struct Recorder {
    open: BTreeMap<Kind, BTreeMap<String, Open>>,
    snapshots: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Overall,
    Service,
    Check,
    Job,
    Backup,
}

impl Kind {
    fn subject(self, name: &str) -> String {
        match self {
            Self::Overall => "overall".to_owned(),
            Self::Backup => "backup".to_owned(),
            Self::Service => format!("service:{name}"),
            Self::Check => format!("check:{name}"),
            Self::Job => format!("job:{name}"),
        }
    }
}

#[derive(Debug)]
struct Open {
    status: Status,
    from: WallTime,
    /// The number of the last snapshot that had it.
    seen: u64,
}

impl Recorder {
    pub fn changes(&mut self, s: &Snapshot) -> Vec<Change> {
        self.snapshots += 1;
        let mut changes = Vec::new();
        let mut note = |kind, name: &str, status, sentence: &str| {
            changes.extend(self.note(kind, name, status, s.at).then(|| Change {
                subject: kind.subject(name),
                at: s.at,
                state: Some((Lived::from(status), sentence.chars().take(LONGEST).collect())),
            }));
        };
        note(Kind::Overall, "", s.verdict.status, &s.verdict.sentence);
        s.services.iter().for_each(|v| note(Kind::Service, &v.name, v.status, lasting(v)));
        s.checks.iter().for_each(|v| note(Kind::Check, &v.name, v.status, &v.evidence));
        s.jobs.iter().for_each(|v| note(Kind::Job, &v.name, v.status, &v.phrase));
        if s.backup.configured {
            note(Kind::Backup, "", s.backup.status, &s.backup.phrase);
        }
        let newest = self.snapshots;
        for (kind, subjects) in &mut self.open {
            subjects.retain(|name, open| {
                let there = open.seen == newest;
                if !there {
                    changes.push(Change { subject: kind.subject(name), at: s.at, state: None });
                }
                there
            });
        }
        changes
    }

    /// Whether a state begins. So does one that goes on after the clock was set back to before it began.
    fn note(&mut self, kind: Kind, name: &str, status: Status, at: WallTime) -> bool {
        let subjects = self.open.entry(kind).or_default();
        if let Some(open) = subjects.get_mut(name) {
            open.seen = self.snapshots;
            if open.status == status && open.from <= at {
                return false;
            }
            (open.status, open.from) = (status, at);
            return true;
        }
        subjects.insert(name.to_owned(), Open { status, from: at, seen: self.snapshots });
        true
    }
}

/// How long a service has been ready says nothing at the moment when it becomes so.
fn lasting(service: &ServiceView) -> &str {
    match (service.state, service.status) {
        (ServiceStatus::Ready, Status::Pass) => "ready",
        (ServiceStatus::Starting, _) => "starting",
        _ => &service.detail,
    }
}
