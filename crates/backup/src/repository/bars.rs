//! The library's progress, as ours.

use std::sync::Arc;

use rustic_core::{Progress, ProgressBars, ProgressType, RusticProgress};

use crate::events::Events;

/// Names a step of the library for people.
type Phases = fn(&str) -> &'static str;

#[derive(Debug)]
pub(super) struct Bars {
    events: Arc<Events>,
    phases: Phases,
}

impl Bars {
    pub(super) fn pruning(events: &Arc<Events>) -> Self {
        let phases: Phases = |step| match step {
            "removing snapshots..." => "removing restore points",
            "repacking..." => "writing anew what is still needed",
            "removing unindexed packs..." => "removing what interrupted backups left",
            "rebuilding index..." => "writing the new index",
            "removing old index files..." => "removing the old index",
            "removing old data packs..." | "removing old tree packs..." => "giving back room",
            _ => "looking for what is not needed any more",
        };
        Self { events: Arc::clone(events), phases }
    }

    pub(super) fn copying(events: &Arc<Events>) -> Self {
        let phases: Phases = |step| match step {
            "copying data blobs..." => "copying the data of a restore point",
            "copying tree blobs..." => "copying the folders of a restore point",
            "saving snapshots..." => "finishing the copy",
            _ => "looking for what the copy has not",
        };
        Self { events: Arc::clone(events), phases }
    }
}

impl ProgressBars for Bars {
    fn progress(&self, kind: ProgressType, prefix: &str) -> Progress {
        let phase = (self.phases)(prefix);
        self.events.phase(phase, 0);
        let bytes = matches!(kind, ProgressType::Bytes);
        Progress::new(Bar { events: Arc::clone(&self.events), phase, bytes })
    }
}

/// Only bytes are told: a number of its steps says nothing of how long they take.
#[derive(Debug)]
struct Bar {
    events: Arc<Events>,
    phase: &'static str,
    bytes: bool,
}

impl RusticProgress for Bar {
    fn is_hidden(&self) -> bool {
        false
    }

    fn set_length(&self, len: u64) {
        if self.bytes {
            self.events.phase(self.phase, len);
        }
    }

    fn set_title(&self, _title: &str) {}

    fn inc(&self, inc: u64) {
        if self.bytes {
            self.events.advance(inc);
        }
    }

    fn finish(&self) {}
}
