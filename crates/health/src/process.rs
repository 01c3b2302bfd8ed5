//! Process: one runs whose command line contains a text, under whatever supervisor.

use std::time::Duration;

use steady_model::check::Status;
use steady_model::words;

use crate::probe::{Probe, Seen, moment};
use crate::processes::{RUNNING, Running, about, is_ours, shown};

pub struct ProcessProbe {
    pattern: String,
}

impl ProcessProbe {
    pub fn new(pattern: String) -> Self {
        Self { pattern }
    }
}

impl Probe for ProcessProbe {
    async fn look(&mut self) -> Seen {
        match RUNNING.taken().await {
            Ok(all) => judge(&all, &self.pattern),
            Err(e) => Seen::new(Status::Unknown, format!("the processes cannot be listed: {e}")),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        Seen::new(Status::Unknown, format!("the processes were not listed within {}", words::span(timeout)))
    }
}

/// An absence is no fact: a restart by whoever supervises it takes a moment.
fn judge(all: &[Running], pattern: &str) -> Seen {
    let matching = all.iter().filter(|process| process.command.contains(pattern));
    // One without is gone since.
    let known = matching.filter_map(|process| Some((about(process.pid)?, process)));
    let mut foreign: Vec<_> = known.filter(|(about, process)| !is_ours(process.pid, about)).collect();
    foreign.sort_by_key(|(about, process)| (about.order, process.pid));
    let Some((oldest, process)) = foreign.first() else {
        return Seen::new(Status::Fail, format!("no process has \"{pattern}\" in its command line"));
    };
    let since = oldest.since.map_or_else(String::new, |t| format!(" since {}", moment(t)));
    let others = match foreign.len() {
        0 | 1 => String::new(),
        2 => " and 1 more".to_owned(),
        n => format!(" and {} more", n - 1),
    };
    Seen::new(Status::Pass, format!("pid {}{since}{others}: {}", process.pid, shown(&process.command)))
}
