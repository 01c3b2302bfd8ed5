//! When the next backup begins by itself.

use std::time::Duration;

use jiff::tz::TimeZone;
use steady_model::backup::PointKind;
use steady_model::backup_schedule::{self, Past};
use steady_model::job::NAP;
use steady_model::time::WallTime;

use super::{Command, OperationsHandle, Owner};

impl OperationsHandle {
    /// The machine woke after it slept this long, or its clock was set.
    pub fn time_shifted(&self, slept: Duration) {
        // A queue that is full makes the owner look anyway.
        let _ = self.commands.try_send(Command::TimeShifted(slept));
    }
}

impl Owner {
    pub(super) async fn time_shifted(&mut self, slept: Duration) {
        if slept >= NAP {
            self.woke = Some(steady_clock::now().wall);
        }
        if self.running.is_none() {
            self.plan_next().await;
        }
    }

    pub(super) fn backup_due(&self, now: WallTime) -> Option<WallTime> {
        let schedule = self.wiring.spec.as_ref()?.schedule.as_ref()?;
        let past = Past {
            began: self.began,
            taken: self.own_points(),
            failed: self.failed,
            woke: self.woke,
            not_before: self.not_before,
        };
        backup_schedule::due(schedule, &past, now, &TimeZone::system())
    }

    /// When the points were taken that were neither for a restore nor imported.
    pub(super) fn own_points(&self) -> Vec<WallTime> {
        let points = self.points();
        let own = points.iter().filter(|p| p.kind != PointKind::Safety && p.imported.is_none());
        own.map(|p| p.taken).collect()
    }
}
