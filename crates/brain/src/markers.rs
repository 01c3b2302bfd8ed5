//! The two markers of the daily job: `.sync_completed` (an ISO time) and `.sync_failed` (`<ISO>: <message>`).
//!
//! The text is believed, not the file's mtime: a copy or a restore changes mtimes. A marker which cannot
//! be read, or which lies in the future, makes the state unknown, never fresh.

use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::Serialize;
use steady_disk::{DiskError, write_atomic};
use utoipa::ToSchema;

pub const COMPLETED: &str = ".sync_completed";
pub const FAILED: &str = ".sync_failed";
/// A daily job with an hour of slack.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(25);
/// Clocks of two machines which share a folder may differ by this much.
const FUTURE_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    Missing,
    /// `text` is the whole trimmed content; `at` is the time it names.
    Written {
        at: Timestamp,
        text: String,
    },
    Unreadable {
        why: String,
    },
}

/// What the two markers say together.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncState {
    Never,
    Fresh {
        text: String,
        hours_ago: f64,
    },
    Stale {
        text: String,
        hours_ago: f64,
    },
    /// The last attempt failed; `last` is the last success before it.
    Failed {
        error: String,
        last: Option<(String, f64)>,
    },
    Unknown {
        text: Option<String>,
        why: String,
    },
}

/// Reads one marker. Times without an offset, as the first users write them, are in `zone`.
pub fn read(path: &Path, zone: &TimeZone) -> Marker {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, zone),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Marker::Missing,
        Err(e) => Marker::Unreadable { why: format!("{}: {e}", path.display()) },
    }
}

/// Parses a marker's content: an ISO time, optionally followed by `: ` and a message.
pub fn parse(content: &str, zone: &TimeZone) -> Marker {
    let text = content.trim();
    let stamp = text.split_once(": ").map_or(text, |(stamp, _)| stamp).trim_end_matches(':');
    match parse_time(stamp, zone) {
        Some(at) => Marker::Written { at, text: text.to_owned() },
        None => Marker::Unreadable { why: format!("no ISO time at the start of {:?}", shorten(text)) },
    }
}

fn parse_time(stamp: &str, zone: &TimeZone) -> Option<Timestamp> {
    stamp.parse::<Timestamp>().ok().or_else(|| {
        let naive: DateTime = stamp.parse().ok()?;
        naive.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The verdict over both markers at `now`.
pub fn judge(completed: &Marker, failed: &Marker, now: Timestamp) -> SyncState {
    let limit = now.checked_add(FUTURE_TOLERANCE).unwrap_or(now);
    for (name, marker) in [(COMPLETED, completed), (FAILED, failed)] {
        match marker {
            Marker::Unreadable { why } => {
                return SyncState::Unknown { text: None, why: format!("{name}: {why}") };
            }
            Marker::Written { at, text } if *at > limit => {
                let why = format!("{name} lies in the future: {at}");
                return SyncState::Unknown { text: Some(text.clone()), why };
            }
            Marker::Written { .. } | Marker::Missing => {}
        }
    }
    let last = match completed {
        Marker::Written { at, text } => Some((*at, text.clone(), hours_between(*at, now))),
        Marker::Missing | Marker::Unreadable { .. } => None,
    };
    match (failed, last) {
        (Marker::Written { at, text }, last) if last.as_ref().is_none_or(|(done, ..)| at > done) => {
            SyncState::Failed { error: text.clone(), last: last.map(|(_, text, hours)| (text, hours)) }
        }
        (_, Some((at, text, hours_ago))) if now.duration_since(at) > STALE_AFTER => {
            SyncState::Stale { text, hours_ago }
        }
        (_, Some((_, text, hours_ago))) => SyncState::Fresh { text, hours_ago },
        (_, None) => SyncState::Never,
    }
}

/// Hours with one decimal; never negative, so that a tolerated clock difference reads as "now".
fn hours_between(from: Timestamp, to: Timestamp) -> f64 {
    let hours = to.duration_since(from).as_secs_f64() / 3600.0;
    (hours.max(0.0) * 10.0).round() / 10.0
}

/// The answer of `GET /api/v1/admin/sync-status`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SyncStatus {
    /// The content of `.sync_completed`, or null before the first success.
    pub last_sync: Option<String>,
    /// `ok`, `stale`, `failed` or `unknown`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours_ago: Option<f64>,
    /// The content of `.sync_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SyncStatus {
    pub const NAMES: [&str; 4] = ["ok", "stale", "failed", "unknown"];

    pub fn name(state: &SyncState) -> &'static str {
        match state {
            SyncState::Fresh { .. } => "ok",
            SyncState::Stale { .. } => "stale",
            SyncState::Failed { .. } => "failed",
            SyncState::Never | SyncState::Unknown { .. } => "unknown",
        }
    }
}

impl From<SyncState> for SyncStatus {
    fn from(state: SyncState) -> Self {
        let status = Self::name(&state);
        let (last, error) = match state {
            SyncState::Never => (None, None),
            SyncState::Fresh { text, hours_ago } | SyncState::Stale { text, hours_ago } => {
                (Some((text, Some(hours_ago))), None)
            }
            SyncState::Failed { error, last } => (last.map(|(t, h)| (t, Some(h))), Some(error)),
            SyncState::Unknown { text, why } => (text.map(|t| (t, None)), Some(why)),
        };
        let (last_sync, hours_ago) = last.unzip();
        Self { last_sync, status, hours_ago: hours_ago.flatten(), error }
    }
}

/// Writes `.sync_completed`.
pub fn write_completed(data: &Path, at: &Zoned) -> Result<(), DiskError> {
    write_atomic(&data.join(COMPLETED), iso(at).as_bytes(), 0o600)
}

/// Writes `.sync_failed`; the message is kept on one line.
pub fn write_failed(data: &Path, at: &Zoned, message: &str) -> Result<(), DiskError> {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    write_atomic(&data.join(FAILED), format!("{}: {line}", iso(at)).as_bytes(), 0o600)
}

/// Local time with its offset: unambiguous, and read by Python's `fromisoformat`.
fn iso(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn marker(text: &str) -> Marker {
        parse(text, &TimeZone::UTC)
    }

    #[test]
    fn naive_local_times_and_times_with_an_offset_are_both_read() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let naive = parse("2026-02-24T21:00:01.123456\n", &zone);
        assert!(matches!(&naive, Marker::Written { at: t, .. } if *t == at("2026-02-24T19:00:01.123456Z")));
        let failed = parse("2026-02-24T21:00:01+01:00: cannot reach: the host", &zone);
        assert!(matches!(&failed, Marker::Written { at: t, .. } if *t == at("2026-02-24T20:00:01Z")));
        assert!(matches!(parse("yesterday", &zone), Marker::Unreadable { .. }));
        assert!(matches!(parse("", &zone), Marker::Unreadable { .. }));
    }

    #[test]
    fn what_is_written_is_read_back_to_the_microsecond() {
        let dir = tempfile::tempdir().unwrap();
        let zoned = at("2026-02-24T19:00:01.123456Z").to_zoned(TimeZone::fixed(jiff::tz::offset(-5)));
        write_completed(dir.path(), &zoned).unwrap();
        write_failed(dir.path(), &zoned, "two\nlines: here").unwrap();
        for name in [COMPLETED, FAILED] {
            let read = read(&dir.path().join(name), &TimeZone::UTC);
            assert!(matches!(&read, Marker::Written { at, .. } if *at == zoned.timestamp()), "{read:?}");
        }
        let text = fs::read_to_string(dir.path().join(FAILED)).unwrap();
        assert!(text.ends_with(": two lines: here"), "{text}");
    }

    #[test]
    fn the_newer_marker_by_its_content_decides() {
        let now = at("2026-02-24T12:00:00Z");
        let done = marker("2026-02-24T10:00:00Z");
        let cases = [
            (Marker::Missing, Marker::Missing, "unknown"),
            (done.clone(), Marker::Missing, "ok"),
            (done.clone(), marker("2026-02-24T09:00:00Z: older"), "ok"),
            (done.clone(), marker("2026-02-24T11:00:00Z: newer"), "failed"),
            (Marker::Missing, marker("2026-02-24T11:00:00Z: first try"), "failed"),
            (marker("2026-02-23T10:59:00Z"), Marker::Missing, "stale"),
            (marker("2026-02-23T11:00:00Z"), Marker::Missing, "ok"),
            (marker("2026-02-24T12:06:00Z"), Marker::Missing, "unknown"),
            (marker("nonsense"), Marker::Missing, "unknown"),
            (done, marker("nonsense"), "unknown"),
        ];
        for (completed, failed, want) in cases {
            let got = SyncStatus::from(judge(&completed, &failed, now));
            assert_eq!(got.status, want, "{completed:?} {failed:?}");
        }
    }

    #[test]
    fn a_failure_keeps_the_last_success_beside_its_error() {
        let now = at("2026-02-24T12:00:00Z");
        let state = judge(&marker("2026-02-24T10:00:00Z"), &marker("2026-02-24T11:00:00Z: no space"), now);
        let json = serde_json::to_value(SyncStatus::from(state)).unwrap();
        let want = serde_json::json!({"last_sync": "2026-02-24T10:00:00Z", "status": "failed", "hours_ago": 2.0,
            "error": "2026-02-24T11:00:00Z: no space"});
        assert_eq!(json, want);
    }
}
