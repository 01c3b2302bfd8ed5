//! Log: a line that somebody should know of was written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::bytes::Regex;
use steady_model::check::Status;
use steady_model::time::{AwakeInstant, Now, WallTime};
use steady_model::words;

use crate::probe::{Probe, Seen, moment, one_line};
use crate::tail::{News, Tail};
use crate::worker::Worker;

const SHOWN: usize = 160;
/// Looks with a match that are told apart; older ones are put together.
const MOST_FINDS: usize = 256;

pub struct LogProbe {
    path: PathBuf,
    follow: Result<Arc<Mutex<Follow>>, regex::Error>,
    worker: Worker,
}

struct Follow {
    tail: Tail,
    pattern: Regex,
    window: Duration,
    finds: Finds,
}

/// The matches within the window.
#[derive(Default)]
struct Finds {
    /// When a look found some, and how many.
    looks: VecDeque<(AwakeInstant, u64)>,
    newest: Option<(WallTime, String)>,
    skipped: u64,
}

impl LogProbe {
    pub fn new(path: PathBuf, pattern: &str, window: Duration) -> Self {
        let follow = Regex::new(pattern).map(|pattern| {
            let (tail, finds) = (Tail::new(path.clone()), Finds::default());
            Arc::new(Mutex::new(Follow { tail, pattern, window, finds }))
        });
        Self { path, follow, worker: Worker::new() }
    }
}

impl Probe for LogProbe {
    async fn look(&mut self) -> Seen {
        let follow = match &self.follow {
            Ok(follow) => Arc::clone(follow),
            Err(e) => return Seen::new(Status::Unknown, format!("its pattern cannot be used: {e}")),
        };
        let path = self.path.clone();
        let look = move || {
            let mut follow = follow.lock().unwrap_or_else(PoisonError::into_inner);
            let looked = follow.tail.look();
            follow.judge(&path, looked, steady_clock::now())
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

impl Follow {
    fn judge(&mut self, path: &Path, looked: std::io::Result<(News, bool)>, now: Now) -> Seen {
        let shown = path.display();
        let trouble = match looked {
            Ok((news, there)) => {
                self.finds.add(&news, &self.pattern, self.window, now);
                (!there).then(|| format!("{shown} does not exist"))
            }
            Err(e) => Some(format!("{shown} cannot be read: {e}")),
        };
        self.finds.forget(self.window, now.awake);
        let skipped = match self.finds.skipped {
            0 => String::new(),
            n => format!("; {} were too many to read", words::bytes(n)),
        };
        match (self.finds.told(self.window), trouble) {
            // What was found stays found while the file is away.
            (Some(told), trouble) => {
                let trouble = trouble.map_or_else(String::new, |trouble| format!("; {trouble}"));
                Seen::fact(Status::Warn, format!("{told}{skipped}{trouble}"))
            }
            (None, Some(trouble)) => Seen::new(Status::Unknown, trouble)
                .so("See whether that is where the log is written; else correct its path in steady.toml"),
            (None, None) => {
                let evidence =
                    format!("no line matches {} within {}{skipped}", self.pattern, words::span(self.window));
                Seen::new(Status::Pass, evidence)
            }
        }
    }
}

impl Finds {
    fn add(&mut self, news: &News, pattern: &Regex, window: Duration, now: Now) {
        self.skipped = news.skipped;
        let is_recent = |at: WallTime| now.wall.since(at).is_none_or(|age| age <= window);
        // At the first look, when a line was written is only known from the line, or else from the file.
        let wrote = |line: &[u8]| match news.not_after {
            Some(not_after) => time_of(line).unwrap_or(not_after),
            None => now.wall,
        };
        let matching = news.lines.iter().filter(|line| pattern.is_match(line));
        let recent: Vec<_> =
            matching.map(|line| (wrote(line), line)).filter(|(at, _)| is_recent(*at)).collect();
        let Some((at, line)) = recent.last() else { return };
        self.newest = Some((*at, one_line(&String::from_utf8_lossy(line), SHOWN)));
        let many = u64::try_from(recent.len()).unwrap_or(u64::MAX);
        self.looks.push_back((now.awake, many));
        if self.looks.len() > MOST_FINDS
            && let Some((_, oldest)) = self.looks.pop_front()
            && let Some((_, next)) = self.looks.front_mut()
        {
            *next += oldest;
        }
    }

    fn forget(&mut self, window: Duration, now: AwakeInstant) {
        while self.looks.front().is_some_and(|(at, _)| now.since(*at) > window) {
            self.looks.pop_front();
        }
    }

    fn told(&self, window: Duration) -> Option<String> {
        let many: u64 = self.looks.iter().map(|(_, many)| many).sum();
        let (at, line) = self.newest.as_ref().filter(|_| many > 0)?;
        let (within, at) = (words::span(window), moment(*at));
        Some(match many {
            1 => format!("1 line within {within}, at {at}: {line}"),
            n => format!("{n} lines within {within}, the last at {at}: {line}"),
        })
    }
}

/// The time that a line begins with, also within `[` and `]`; local without an offset. Fractions are left out.
fn time_of(line: &[u8]) -> Option<WallTime> {
    let text = std::str::from_utf8(line.get(..line.len().min(40))?).ok().or_else(|| ascii_start(line))?;
    let text = text.trim_start_matches(['[', '"', '{', ' ']);
    let word = text.split([' ', ']', '"']).next()?;
    if let Ok(at) = word.parse::<Timestamp>() {
        return Some(WallTime(at));
    }
    let naive: DateTime = text.get(..19)?.parse().ok()?;
    Some(WallTime(TimeZone::system().to_ambiguous_timestamp(naive).compatible().ok()?))
}

fn ascii_start(line: &[u8]) -> Option<&str> {
    let end = line.iter().position(|b| !b.is_ascii()).unwrap_or(line.len());
    std::str::from_utf8(line.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_a_line_begins_with_is_read_in_the_usual_forms() {
        let local = |text: &str| {
            let naive: DateTime = text.parse().unwrap();
            Some(WallTime(TimeZone::system().to_timestamp(naive).unwrap()))
        };
        for (line, expected) in [
            ("2026-02-14 06:02:00,123 ERROR x", local("2026-02-14T06:02:00")),
            ("[2026-02-14 06:02:00] ERROR x", local("2026-02-14T06:02:00")),
            ("2026-02-14T06:02:00Z ERROR ü", "2026-02-14T06:02:00Z".parse().ok().map(WallTime)),
            ("2026-02-14T06:02:00.5+01:00 x", "2026-02-14T05:02:00.5Z".parse().ok().map(WallTime)),
            ("ERROR at 2026-02-14 06:02:00", None),
            ("", None),
        ] {
            assert_eq!(time_of(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(time_of(b"\xff\xfe"), None);
    }

    fn now(minutes: u64) -> Now {
        let wall = WallTime("2026-02-14T06:00:00Z".parse().unwrap());
        let since = Duration::from_secs(60 * minutes);
        Now { awake: AwakeInstant::since_boot(since), wall: wall.after(since) }
    }

    fn news(lines: &[&str], not_after: Option<u64>) -> News {
        News {
            lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
            skipped: 0,
            not_after: not_after.map(|minutes| now(minutes).wall),
        }
    }

    #[test]
    fn a_line_counts_for_the_window_and_the_first_look_only_with_what_may_lie_in_it() {
        let mut follow = Follow {
            tail: Tail::new("a.log".into()),
            pattern: Regex::new("ERROR").unwrap(),
            window: Duration::from_secs(300),
            finds: Finds::default(),
        };
        let mut look = |news: News, there: bool, minute| {
            let seen = follow.judge(Path::new("a.log"), Ok((news, there)), now(minute));
            (seen.status, seen.evidence)
        };
        let old = news(&["2026-02-14T05:00:00Z ERROR old", "fine"], Some(10));
        assert_eq!(look(old, true, 10), (Status::Pass, "no line matches ERROR within 5 min".to_owned()));
        let (status, evidence) = look(news(&["ERROR one", "ERROR \x1b[31mtwo"], None), true, 11);
        assert_eq!(status, Status::Warn);
        let said = |at: &str| moment(WallTime(at.parse().unwrap()));
        let last = said("2026-02-14T06:11:00Z");
        assert_eq!(evidence, format!("2 lines within 5 min, the last at {last}: ERROR  [31mtwo"));
        let (_, evidence) = look(news(&["ERROR three"], None), true, 14);
        let last = said("2026-02-14T06:14:00Z");
        assert_eq!(evidence, format!("3 lines within 5 min, the last at {last}: ERROR three"));
        let (status, evidence) = look(news(&[], None), false, 17);
        assert_eq!(status, Status::Warn, "what was found stays found");
        assert_eq!(evidence, format!("1 line within 5 min, at {last}: ERROR three; a.log does not exist"));
        assert_eq!(look(news(&[], None), false, 20), (Status::Unknown, "a.log does not exist".to_owned()));
        assert_eq!(look(news(&[], None), true, 21).0, Status::Pass);
    }

    #[test]
    fn an_old_file_without_times_is_not_news_and_a_young_one_is() {
        let (pattern, window) = (Regex::new("ERROR").unwrap(), Duration::from_secs(300));
        for (age, status) in [(4, Status::Warn), (6, Status::Pass)] {
            let mut finds = Finds::default();
            finds.add(&news(&["ERROR"], Some(20 - age)), &pattern, window, now(20));
            let got = if finds.told(window).is_some() { Status::Warn } else { Status::Pass };
            assert_eq!(got, status, "{age} min");
        }
    }
}
