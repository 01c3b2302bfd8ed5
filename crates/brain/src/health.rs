//! The verdict of `/health`: the worst of vault, disk and sync, from observed facts.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::markers::{self, SyncState};
use crate::vault::{Vault, VaultError};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Below this many GiB a re-index or a checkpoint may no longer fit.
const LOW_DISK_GIB: f64 = 1.0;

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
}

/// What was seen at one moment.
#[derive(Debug)]
pub struct Observed {
    pub vault: Result<(), VaultError>,
    pub free_bytes: Option<u64>,
    pub sync: SyncState,
}

/// Looks at the vault, the disk and the markers. Blocks on the file system.
pub fn observe(vault: &Vault, data: &Path, now: Timestamp) -> Observed {
    let zone = TimeZone::system();
    let completed = markers::read(&data.join(markers::COMPLETED), &zone);
    let failed = markers::read(&data.join(markers::FAILED), &zone);
    let free_bytes = rustix::fs::statvfs(data).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    Observed { vault: vault.probe(), free_bytes, sync: markers::judge(&completed, &failed, now) }
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
    Health {
        status: vault_status.max(disk_status).max(sync_status),
        vault,
        free_disk_gb: free.map(|gib| (gib * 100.0).round() / 100.0),
        disk,
        last_sync_hours_ago: hours,
        sync,
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
        serde_json::to_value(assess(&Observed { vault, free_bytes, sync })).unwrap()
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
