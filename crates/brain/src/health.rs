//! The verdict of `/health`: the worst of vault, disk, sync, index and outbox, from observed facts.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::markers::{self, SyncState};
use crate::stores::outbox::OutboxStatus;
use crate::stores::{generation, lexical, tracker};
use crate::vault::{Vault, VaultError};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Below this many GiB a re-index or a checkpoint may no longer fit.
const LOW_DISK_GIB: f64 = 1.0;
/// A capture is found within a second when nothing stands in its way.
const LATE_S: f64 = 60.0;

/// Ordered from good to bad, so that the worst is the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Warning,
    Error,
}

/// The answer of `/health`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Health {
    pub status: Status,
    /// `ok`, or what is wrong with the vault.
    pub vault: String,
    /// Free space for the data directory in GiB, two decimals; null when the system does not say.
    pub free_disk_gb: Option<f64>,
    /// `low` or `unknown` when not fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<&'static str>,
    /// Hours since the last successful sync, one decimal; null before the first one.
    pub last_sync_hours_ago: Option<f64>,
    /// `stale`, `failed` or `unknown` when not fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<&'static str>,
    /// `empty`, `inconsistent` or `unreadable` when not fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<&'static str>,
    /// `failed` when captures were given up, `late` when the oldest waits for more than a minute, or `unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbox: Option<&'static str>,
}

/// What was seen at one moment.
#[derive(Debug)]
pub struct Observed {
    pub vault: Result<(), VaultError>,
    pub free_bytes: Option<u64>,
    pub sync: SyncState,
    pub index: IndexState,
    /// `None` when its store does not answer.
    pub outbox: Option<OutboxStatus>,
}

/// What the stores of the index say of each other and of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    Whole,
    /// It is being written, or compared with the vault for the first time: its stores may disagree for a moment.
    UnderWay,
    /// The vault has notes, and none of them can be found.
    Empty,
    /// The stores are of different runs, or count differently.
    Inconsistent,
    Unreadable,
}

/// Looks at the vault, the disk and the markers. Blocks on the file system.
pub fn observe(
    vault: &Vault,
    data: &Path,
    outbox: Option<OutboxStatus>,
    under_way: bool,
    now: Timestamp,
) -> Observed {
    let zone = TimeZone::system();
    let completed = markers::read(&data.join(markers::COMPLETED), &zone);
    let failed = markers::read(&data.join(markers::FAILED), &zone);
    let free_bytes = rustix::fs::statvfs(data).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    let index =
        if under_way { IndexState::UnderWay } else { index(vault, data).unwrap_or(IndexState::Unreadable) };
    let sync = markers::judge(&completed, &failed, now);
    Observed { vault: vault.probe(), free_bytes, sync, index, outbox }
}

/// With connections of its own: the server's are taken while many search.
fn index(vault: &Vault, data: &Path) -> rusqlite::Result<IndexState> {
    let (lexical, tracker) = (lexical::SPEC.look(data)?, tracker::SPEC.look(data)?);
    let (notes, chunks) = tracker::totals(&tracker)?;
    if generation::read(&lexical)? != generation::read(&tracker)? || lexical::count(&lexical)? != chunks {
        return Ok(IndexState::Inconsistent);
    }
    let has_notes = || vault.scan().is_ok_and(|scan| !scan.notes.is_empty());
    Ok(if notes == 0 && has_notes() { IndexState::Empty } else { IndexState::Whole })
}

/// Worst-of over all parts. Never having synced is no fault: a new installation is `ok`.
pub fn assess(seen: &Observed) -> Health {
    let (vault, vault_status) = match &seen.vault {
        Ok(()) => ("ok".to_owned(), Status::Ok),
        Err(VaultError::Missing { .. }) => ("not configured or missing".to_owned(), Status::Error),
        Err(e) => (format!("unreadable: {e}"), Status::Error),
    };
    let free = seen.free_bytes.map(gibibytes);
    let (disk, disk_status) = match free {
        None => (Some("unknown"), Status::Warning),
        Some(free) if free < LOW_DISK_GIB => (Some("low"), Status::Warning),
        Some(_) => (None, Status::Ok),
    };
    let (sync, sync_status, hours) = match &seen.sync {
        SyncState::Never => (None, Status::Ok, None),
        SyncState::Fresh { hours_ago, .. } => (None, Status::Ok, Some(*hours_ago)),
        SyncState::Stale { hours_ago, .. } => (Some("stale"), Status::Warning, Some(*hours_ago)),
        SyncState::Failed { last, .. } => (Some("failed"), Status::Warning, last.as_ref().map(|(_, h)| *h)),
        SyncState::Unknown { .. } => (Some("unknown"), Status::Warning, None),
    };
    let (index, index_status) = match seen.index {
        IndexState::Whole | IndexState::UnderWay => (None, Status::Ok),
        IndexState::Empty => (Some("empty"), Status::Warning),
        IndexState::Inconsistent => (Some("inconsistent"), Status::Warning),
        IndexState::Unreadable => (Some("unreadable"), Status::Error),
    };
    let (outbox, outbox_status) = match seen.outbox {
        None => (Some("unreadable"), Status::Error),
        Some(OutboxStatus { failed: 1.., .. }) => (Some("failed"), Status::Warning),
        Some(OutboxStatus { oldest_s, .. }) if oldest_s > LATE_S => (Some("late"), Status::Warning),
        Some(_) => (None, Status::Ok),
    };
    let parts = [vault_status, disk_status, sync_status, index_status, outbox_status];
    Health {
        status: parts.into_iter().max().unwrap_or(Status::Ok),
        vault,
        free_disk_gb: free.map(|gib| (gib * 100.0).round() / 100.0),
        disk,
        last_sync_hours_ago: hours,
        sync,
        index,
        outbox,
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals of a GiB")]
fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Option<u64> = Some(50 << 30);

    fn missing() -> VaultError {
        VaultError::Missing { path: "/nowhere".into() }
    }

    fn assess_with(
        vault: Result<(), VaultError>,
        free_bytes: Option<u64>,
        sync: SyncState,
    ) -> serde_json::Value {
        let (index, outbox) = (IndexState::Whole, Some(OutboxStatus::default()));
        serde_json::to_value(assess(&Observed { vault, free_bytes, sync, index, outbox })).unwrap()
    }

    #[test]
    fn an_index_that_does_not_find_all_notes_and_captures_that_do_not_arrive_are_told_by_name() {
        let fine = || Observed {
            vault: Ok(()),
            free_bytes: PLENTY,
            sync: SyncState::Never,
            index: IndexState::Whole,
            outbox: Some(OutboxStatus { pending: 3, oldest_s: LATE_S, failed: 0 }),
        };
        assert_eq!(assess(&fine()).status, Status::Ok);
        assert_eq!(assess(&Observed { index: IndexState::UnderWay, ..fine() }).status, Status::Ok);
        for (index, status, name) in [
            (IndexState::Empty, Status::Warning, "empty"),
            (IndexState::Inconsistent, Status::Warning, "inconsistent"),
            (IndexState::Unreadable, Status::Error, "unreadable"),
        ] {
            let health = assess(&Observed { index, ..fine() });
            assert_eq!((health.status, health.index), (status, Some(name)));
        }
        let late = OutboxStatus { oldest_s: LATE_S + 1.0, ..OutboxStatus::default() };
        let failed = OutboxStatus { failed: 1, ..late };
        for (outbox, status, name) in [
            (Some(late), Status::Warning, "late"),
            (Some(failed), Status::Warning, "failed"),
            (None, Status::Error, "unreadable"),
        ] {
            let health = assess(&Observed { outbox, ..fine() });
            assert_eq!((health.status, health.outbox), (status, Some(name)));
        }
    }

    #[test]
    fn a_new_installation_is_ok_with_the_plain_keys_only() {
        let got = assess_with(Ok(()), PLENTY, SyncState::Never);
        let want = serde_json::json!({"status": "ok", "vault": "ok", "free_disk_gb": 50.0, "last_sync_hours_ago": null});
        assert_eq!(got, want);
    }

    #[test]
    fn stale_failed_and_unknown_syncs_are_warnings_by_name() {
        let failed = SyncState::Failed { error: "x".into(), last: Some(("t".into(), 3.0)) };
        let stale = SyncState::Stale { text: "t".into(), hours_ago: 26.0 };
        let unknown = SyncState::Unknown { text: None, why: "x".into() };
        for (state, name) in [(failed, "failed"), (stale, "stale"), (unknown, "unknown")] {
            let got = assess_with(Ok(()), PLENTY, state);
            assert_eq!((&got["status"], &got["sync"]), (&"warning".into(), &name.into()), "{got}");
        }
    }

    #[test]
    fn a_missing_vault_is_an_error_that_a_low_disk_does_not_soften() {
        let got = assess_with(Err(missing()), Some(1 << 29), SyncState::Never);
        assert_eq!(got["status"], "error");
        assert_eq!(got["vault"], "not configured or missing");
        assert_eq!((&got["disk"], &got["free_disk_gb"]), (&"low".into(), &0.5.into()));
    }

    #[test]
    fn an_unknown_disk_is_never_ok() {
        assert_eq!(assess_with(Ok(()), None, SyncState::Never)["status"], "warning");
    }
}
