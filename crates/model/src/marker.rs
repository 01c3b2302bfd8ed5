//! The two marker files of the first users: `.sync_completed` and `.sync_failed`.
//!
//! Format: `.sync_completed` is one ISO 8601 time; `.sync_failed` is `<ISO 8601>: <message>`. Times without
//! an offset are local (the first users write naive local time). Content beats mtime, which a backup, a
//! restore or rsync changes.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::time::WallTime;

pub const COMPLETED: &str = ".sync_completed";
pub const FAILED: &str = ".sync_failed";
/// A marker this far ahead of the clock is still believed (clock adjustments).
const FUTURE_TOLERANCE_SECONDS: i64 = 120;

/// What one marker file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    Absent,
    At {
        at: WallTime,
        message: Option<String>,
    },
    /// There, but it cannot be believed; the reason is for people.
    Unreadable {
        why: String,
    },
}

/// Both markers as they lie on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    pub completed: Marker,
    pub failed: Marker,
}

impl Default for Markers {
    fn default() -> Self {
        Self { completed: Marker::Absent, failed: Marker::Absent }
    }
}

/// Reads a `.sync_completed` text.
pub fn parse_completed(text: &str, zone: &TimeZone) -> Marker {
    match parse_time(text.trim(), zone) {
        Some(at) => Marker::At { at, message: None },
        None => Marker::Unreadable { why: format!("no time in {:?}", clip(text)) },
    }
}

/// Reads a `.sync_failed` text.
pub fn parse_failed(text: &str, zone: &TimeZone) -> Marker {
    let text = text.trim();
    // The time itself holds colons: try the longest prefix first that a `: ` ends.
    let split = text.match_indices(": ").find_map(|(i, sep)| {
        let at = parse_time(text.get(..i)?, zone)?;
        Some((at, text.get(i + sep.len()..)?.to_owned()))
    });
    match split.or_else(|| Some((parse_time(text.trim_end_matches(':'), zone)?, String::new()))) {
        Some((at, message)) => Marker::At { at, message: Some(message) },
        None => Marker::Unreadable { why: format!("no time in {:?}", clip(text)) },
    }
}

/// A marker from the future is not believed.
pub fn believe(marker: &Marker, now: WallTime) -> Marker {
    match marker {
        Marker::At { at, .. } if at.0.as_second() > now.0.as_second() + FUTURE_TOLERANCE_SECONDS => {
            Marker::Unreadable { why: format!("its time {at} lies in the future") }
        }
        other => other.clone(),
    }
}

fn parse_time(text: &str, zone: &TimeZone) -> Option<WallTime> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(WallTime(at));
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Some(WallTime(at.timestamp()));
    }
    let naive: DateTime = text.parse().ok()?;
    Some(WallTime(zone.to_ambiguous_timestamp(naive).compatible().ok()?))
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}
