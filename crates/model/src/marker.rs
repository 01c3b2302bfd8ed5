//! The two marker files of the first users: `.sync_completed` and `.sync_failed`.
//!
//! Format: `.sync_completed` is one ISO 8601 time; `.sync_failed` is `<ISO 8601>: <message>`. Times without
//! an offset are local (the first users write naive local time). Content beats mtime, which a backup, a
//! restore or rsync changes.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::time::WallTime;

pub const COMPLETED: &str = ".sync_completed";
pub const FAILED: &str = ".sync_failed";
/// A marker this far ahead of the clock is still believed (clock adjustments).
const FUTURE_TOLERANCE_SECONDS: i64 = 120;

/// What one marker file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    // The time itself holds colons, but none that a space follows: the first prefix that is a time ends it.
    let split = text.match_indices(": ").find_map(|(i, sep)| {
        let at = parse_time(text.get(..i)?, zone)?;
        Some((at, text.get(i + sep.len()..)?.to_owned()))
    });
    match split.or_else(|| Some((parse_time(text.trim_end_matches(':'), zone)?, String::new()))) {
        Some((at, message)) => Marker::At { at, message: Some(message) },
        None => Marker::Unreadable { why: format!("no time in {:?}", clip(text)) },
    }
}

/// The text of a `.sync_completed` in the first users' form: naive local time with microseconds.
///
/// The form has no offset, so the repeated hour at the end of summer time reads as its first pass.
pub fn format_completed(at: WallTime, zone: &TimeZone) -> String {
    zone.to_datetime(at.0).strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// The text of a `.sync_failed`: the time, `: ` and the message on one line.
pub fn format_failed(at: WallTime, message: &str, zone: &TimeZone) -> String {
    let message: Vec<&str> = message.split_whitespace().collect();
    format!("{}: {}", format_completed(at, zone), message.join(" "))
}

/// Whether `at` is not too far ahead of the clock to be true.
pub fn believable(at: WallTime, now: WallTime) -> bool {
    at.0.as_second() <= now.0.as_second().saturating_add(FUTURE_TOLERANCE_SECONDS)
}

/// A marker from the future is not believed.
pub fn believe(marker: &Marker, now: WallTime) -> Marker {
    match marker {
        Marker::At { at, .. } if !believable(*at, now) => {
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
