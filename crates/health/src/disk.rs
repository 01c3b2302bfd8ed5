//! Disk: what an ordinary user may still write on a volume.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{StatVfs, statvfs};
use steady_model::check::Status;
use steady_model::config::Free;
use steady_model::words;

use crate::probe::{Probe, Seen};
use crate::worker::Worker;

pub struct DiskProbe {
    path: PathBuf,
    limits: Limits,
    worker: Worker,
}

/// Free space below which it is a warning or a failure.
#[derive(Debug, Clone, Copy)]
struct Limits {
    warn: Free,
    fail: Free,
}

impl DiskProbe {
    pub fn new(path: PathBuf, warn: Free, fail: Free) -> Self {
        Self { path, limits: Limits { warn, fail }, worker: Worker::new() }
    }
}

impl Probe for DiskProbe {
    async fn look(&mut self) -> Seen {
        let (path, limits) = (self.path.clone(), self.limits);
        self.worker.look(move || look(&path, limits)).await
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let seen = self.worker.overdue(timeout);
        Seen {
            status: Status::Unknown,
            evidence: format!("{}: {}", self.path.display(), seen.evidence),
            ..seen
        }
    }
}

fn look(path: &Path, limits: Limits) -> Seen {
    match statvfs(path) {
        Ok(volume) => judge(&volume, limits),
        Err(e) => Seen::fact(
            Status::Unknown,
            format!("the free space at {} cannot be read: {}", path.display(), std::io::Error::from(e)),
        ),
    }
}

/// Too little is a fact. Enough is not: near a limit the number goes up and down, and the verdict should not.
fn judge(volume: &StatVfs, limits: Limits) -> Seen {
    // Without what is reserved for root; macOS counts out what it could purge, too.
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let total = volume.f_blocks.saturating_mul(volume.f_frsize);
    let evidence = format!("{} of {} free", words::bytes(free), words::bytes(total));
    #[expect(clippy::cast_precision_loss, reason = "a float holds bytes exactly up to 9 PB")]
    let (value, whole) = (free as f64, total as f64);
    let is_below = |limit: Free| match limit {
        Free::Bytes(least) => free < least,
        Free::Share(least) => value < whole * least,
    };
    let below = |limit: Free| match limit {
        Free::Bytes(least) => format!("{evidence}, less than {}", words::bytes(least)),
        // Of 7 % a float makes 7.000000000000001.
        Free::Share(least) => format!("{evidence}, less than {} %", (least * 1000.0).round() / 10.0),
    };
    let seen = if is_below(limits.fail) {
        Seen::fact(Status::Fail, below(limits.fail))
    } else if is_below(limits.warn) {
        Seen::fact(Status::Warn, below(limits.warn))
    } else {
        Seen::new(Status::Pass, evidence)
    };
    seen.measuring(value, "bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(path: &Path) -> u64 {
        let volume = statvfs(path).unwrap();
        volume.f_bavail * volume.f_frsize
    }

    #[test]
    fn a_real_volume_is_judged_by_the_two_limits() {
        let dir = tempfile::tempdir().unwrap();
        let half = free(dir.path()) / 2;
        let far = half * 100;
        let some = Free::Bytes;
        for (warn, fail, status, fact) in [
            (some(half), some(1), Status::Pass, false),
            (some(far), some(half), Status::Warn, true),
            (some(far), some(far), Status::Fail, true),
            (Free::Share(1.5), some(1), Status::Warn, true),
            (Free::Share(0.0), some(1), Status::Pass, false),
        ] {
            let seen = look(dir.path(), Limits { warn, fail });
            assert_eq!((seen.status, seen.fact), (status, fact), "{seen:?}");
            assert!(seen.evidence.contains(" free"), "{}", seen.evidence);
            let measure = seen.measure.unwrap();
            assert_eq!(measure.unit, "bytes");
            assert!(measure.value > 0.0);
        }
    }

    #[test]
    fn a_missing_path_is_unknown_and_not_green() {
        let seen = look(Path::new("/no/such/volume"), Limits { warn: Free::Bytes(1), fail: Free::Bytes(1) });
        assert_eq!((seen.status, seen.fact), (Status::Unknown, true));
        assert!(seen.evidence.contains("/no/such/volume"), "{}", seen.evidence);
    }
}
