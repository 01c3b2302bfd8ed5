//! Copies of a data directory that something else made before Steady: `data-YYYYMMDD-HHMMSS`.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::WallTime;

const PREFIX: &str = "data-";
/// `20260114-093000`.
const STAMP: usize = 15;

/// When a copy of this name was made. Its clock was on a wall, which `zone` names; of an hour that came twice it is
/// the first.
pub fn taken_at(name: &str, zone: &TimeZone) -> Option<WallTime> {
    let stamp = name.strip_prefix(PREFIX)?;
    let digits = stamp.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if stamp.len() != STAMP || !digits {
        return None;
    }
    let moment = DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?;
    Some(WallTime(moment.to_zoned(zone.clone()).ok()?.timestamp()))
}

/// Which older copies are to be taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ImportRequest {
    /// Folders that hold such copies, or such copies. Empty: those of `backup.import`.
    #[serde(default)]
    pub folders: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_is_read_from_the_name_and_from_no_other_name() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |name| taken_at(name, &berlin).map(|at| at.to_string());
        assert_eq!(at("data-20260114-093000").as_deref(), Some("2026-01-14T08:30:00Z"));
        // The clocks go back at three: half past two comes twice.
        assert_eq!(at("data-20261025-023000").as_deref(), Some("2026-10-25T00:30:00Z"));
        for wrong in [
            "data",
            "data-20260114",
            "data-20260114-0930",
            "data-20261314-093000",
            "data-20260230-093000",
            "data-20260114-253000",
            "data-20260114-093000.bak",
            "data-20260114_093000",
            "my-data-20260114-093000",
            "data-+0260114-093000",
            "data-2026011\u{664}-09300",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
