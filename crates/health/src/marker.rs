//! Marker: a file whose first line tells when something last succeeded.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::fs::{Mode, OFlags};
use steady_model::check::Status;
use steady_model::marker::{self, Marker};
use steady_model::time::WallTime;
use steady_model::words;

use crate::probe::{Probe, Seen, moment, one_line};
use crate::worker::Worker;

/// Of the first line.
const LONGEST: u64 = 4096;
const SHOWN: usize = 80;

pub struct MarkerProbe {
    path: PathBuf,
    max_age: Duration,
    known: Arc<Mutex<Option<Known>>>,
    worker: Worker,
}

/// The marker as it was last seen.
#[derive(Debug, Clone, Copy)]
struct Known {
    at: WallTime,
    /// How long the machine had slept, ever, when this time was first seen.
    asleep: Duration,
}

/// What a look needs of the clocks.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    now: WallTime,
    asleep: Duration,
}

impl MarkerProbe {
    pub fn new(path: PathBuf, max_age: Duration) -> Self {
        Self { path, max_age, known: Arc::default(), worker: Worker::new() }
    }
}

impl Probe for MarkerProbe {
    async fn look(&mut self) -> Seen {
        let (path, max_age, known) = (self.path.clone(), self.max_age, Arc::clone(&self.known));
        let look = move || {
            let read = read(&path);
            let clocks = Clocks { now: steady_clock::now().wall, asleep: steady_clock::asleep() };
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let (seen, next) = judge(&path, &read, *known, clocks, max_age);
            *known = next;
            seen
        };
        self.worker.look(look).await
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

/// The first line; `None` is no file.
fn read(path: &Path) -> io::Result<Option<String>> {
    // A pipe in its place would wait for a writer.
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let file = match opened {
        Ok(fd) => File::from(fd),
        Err(e) if io::Error::from(e).kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(Some(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()))
}

/// What the file says, and what to remember of it. The file's own time counts for nothing: copies change it.
fn judge(
    path: &Path,
    read: &io::Result<Option<String>>,
    known: Option<Known>,
    clocks: Clocks,
    max_age: Duration,
) -> (Seen, Option<Known>) {
    let shown = path.display();
    let unknown = |why: String| (Seen::new(Status::Unknown, format!("{shown} {why}")), known);
    // What writes it, or the clock, is wrong: to run it again alone does not help.
    let doubted = |why: String| {
        let (seen, known) = unknown(why);
        (seen.so("See what writes it, and whether the clock of this machine is right"), known)
    };
    let line = match read {
        Ok(Some(line)) => line.trim(),
        Ok(None) => {
            let Some(known) = known else { return unknown("does not exist yet".to_owned()) };
            let gone = format!("{shown} is gone; it said {}", moment(known.at));
            return (Seen::new(Status::Fail, gone), Some(known));
        }
        Err(e) => return unknown(format!("cannot be read: {e}")),
    };
    if line.is_empty() {
        return unknown(
            "is empty: the time belongs into its first line, for copies change a file's own".to_owned(),
        );
    }
    // The form with a message takes a bare time too.
    let (at, message) = match marker::believe(&marker::parse_failed(line, &TimeZone::system()), clocks.now) {
        Marker::At { at, message } => (at, message.filter(|message| !message.is_empty())),
        Marker::Unreadable { why } => return doubted(format!("cannot be believed: {why}")),
        Marker::Absent => return unknown("says nothing".to_owned()),
    };
    let same = known.filter(|known| known.at == at);
    let known = same.unwrap_or(Known { at, asleep: clocks.asleep });
    let age = age(known, clocks);
    let message = message.map_or_else(String::new, |text| format!(" ({})", one_line(&text, SHOWN)));
    let evidence = format!("last done {} by {shown}{message}", words::ago(age));
    let limit = words::span(max_age);
    let seen = if age > max_age.saturating_mul(2) {
        Seen::new(Status::Fail, format!("{evidence}, more than twice {limit}"))
    } else if age > max_age {
        Seen::new(Status::Warn, format!("{evidence}, more than {limit}"))
    } else {
        Seen::new(Status::Pass, evidence)
    };
    (seen.measuring(age.as_secs_f64(), "seconds"), Some(known))
}

/// Without what the machine has slept since the time was first seen: nobody could have succeeded meanwhile.
fn age(known: Known, clocks: Clocks) -> Duration {
    let slept = clocks.asleep.saturating_sub(known.asleep);
    clocks.now.since(known.at).unwrap_or_default().saturating_sub(slept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn clocks(now: &str, asleep_hours: u32) -> Clocks {
        Clocks { now: WallTime(now.parse().unwrap()), asleep: HOUR * asleep_hours }
    }

    fn look(line: &str, known: Option<Known>, clocks: Clocks) -> (Seen, Option<Known>) {
        judge(Path::new(".done"), &Ok(Some(line.to_owned())), known, clocks, HOUR * 2)
    }

    #[test]
    fn the_age_of_the_content_is_judged_by_the_two_limits() {
        let now = clocks("2026-02-14T12:00:00Z", 0);
        for (line, status, words) in [
            ("2026-02-14T11:59:58Z", Status::Pass, "last done just now by .done"),
            ("2026-02-14T11:00:00+01:00", Status::Pass, "last done 2 h ago by .done"),
            (
                "2026-02-14T09:00:00Z: 35 notes",
                Status::Warn,
                "last done 3 h ago by .done (35 notes), more than 2 h",
            ),
            ("2026-02-14T07:00:00Z", Status::Fail, "last done 5 h ago by .done, more than twice 2 h"),
            ("2026-02-14T12:01:30Z", Status::Pass, "last done just now by .done"),
            ("2026-02-14T12:03:00Z", Status::Unknown, ".done cannot be believed: its time"),
            ("yesterday", Status::Unknown, ".done cannot be believed: no time in"),
            ("", Status::Unknown, ".done is empty"),
        ] {
            let (seen, _) = look(line, None, now);
            assert_eq!(seen.status, status, "{line}: {}", seen.evidence);
            assert!(seen.evidence.starts_with(words), "{line}: {}", seen.evidence);
        }
    }

    #[test]
    fn a_night_asleep_does_not_age_it_and_a_morning_awake_does() {
        let line = "2026-02-14T21:00:00Z";
        let (seen, known) = look(line, None, clocks("2026-02-14T22:00:00Z", 5));
        assert_eq!(seen.status, Status::Pass);
        let (seen, known) = look(line, known, clocks("2026-02-15T08:00:00Z", 15));
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        let (seen, known) = look(line, known, clocks("2026-02-15T09:30:00Z", 15));
        assert_eq!(seen.status, Status::Warn, "{}", seen.evidence);
        let (seen, known) = look("2026-02-15T09:30:00Z", known, clocks("2026-02-15T09:31:00Z", 15));
        assert_eq!(seen.status, Status::Pass, "{}", seen.evidence);
        let (seen, _) = look("2026-02-15T09:30:00Z", known, clocks("2026-02-15T14:00:00Z", 15));
        assert_eq!(seen.status, Status::Fail, "{}", seen.evidence);
    }

    #[test]
    fn a_marker_that_never_was_is_unknown_and_one_that_is_gone_has_failed() {
        let now = clocks("2026-02-14T12:00:00Z", 0);
        let absent = |known| judge(Path::new(".done"), &Ok(None), known, now, HOUR).0;
        assert_eq!(absent(None).status, Status::Unknown);
        let (_, known) = look("2026-02-14T11:59:00Z", None, now);
        let seen = absent(known);
        assert_eq!((seen.status, seen.fact), (Status::Fail, false), "it may be being replaced");
        let said = moment(WallTime("2026-02-14T11:59:00Z".parse().unwrap()));
        assert_eq!(seen.evidence, format!(".done is gone; it said {said}"));
    }
}
