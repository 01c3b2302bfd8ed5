//! A moment as people type it after `--since`.

use jiff::civil::{DateTime, Time};
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::time::WallTime;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{typed}\" is no moment; write how long ago (10m, 2h, 1d), a time of day (06:10), \
     or a date with or without one (2026-11-23T06:00)"
)]
pub struct SinceError {
    pub typed: String,
}

/// Reads `10m`, `06:10`, `2026-11-23`, `2026-11-23T06:00` or a time with its offset; local where none is given.
///
/// A time of day that has not come yet today is yesterday's.
pub fn parse(typed: &str, now: &Zoned) -> Result<WallTime, SinceError> {
    let text = typed.trim();
    let moment = ago(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        .or_else(|| text.parse::<DateTime>().ok()?.to_zoned(now.time_zone().clone()).ok().map(Into::into))
        .or_else(|| time_of_day(text, now));
    moment.map(WallTime).ok_or_else(|| SinceError { typed: typed.to_owned() })
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

fn time_of_day(text: &str, now: &Zoned) -> Option<Timestamp> {
    // A number alone is an hour to the parser, and to people more likely a forgotten unit.
    let time: Time = text.contains(':').then(|| text.parse().ok())??;
    let today = now.with().time(time).build().ok()?;
    let last = if today > *now { today.checked_sub(1.day()).ok()? } else { today };
    Some(last.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> String {
        let now: Zoned = "2026-11-23T06:30:00+01:00[Europe/Berlin]".parse().unwrap();
        parse(typed, &now).map_or_else(|e| e.to_string(), |at| at.to_string())
    }

    #[test]
    fn spans_times_and_dates_mean_what_a_person_in_their_own_zone_means() {
        assert_eq!(read("10m"), "2026-11-23T05:20:00Z");
        assert_eq!(read(" 1h 30m "), "2026-11-23T04:00:00Z");
        assert_eq!(read("1d"), "2026-11-22T05:30:00Z");
        assert_eq!(read("2 hours ago"), "2026-11-23T03:30:00Z");
        assert_eq!(read("06:10"), "2026-11-23T05:10:00Z");
        assert_eq!(read("23:00"), "2026-11-22T22:00:00Z", "tonight has not come yet");
        assert_eq!(read("2026-11-23"), "2026-11-22T23:00:00Z");
        assert_eq!(read("2026-11-23T06:00"), "2026-11-23T05:00:00Z");
        assert_eq!(read("2026-11-23T06:00:00Z"), "2026-11-23T06:00:00Z");
        assert_eq!(read("2026-11-23T06:00+09:00"), "2026-11-22T21:00:00Z");
    }

    #[test]
    fn what_is_no_moment_is_said_with_what_would_be() {
        for typed in ["", "yesterday", "10", "25:00", "2026-13-01", "10m; rm"] {
            let said = read(typed);
            assert!(said.starts_with(&format!("\"{typed}\" is no moment; write")), "{said}");
        }
    }
}
