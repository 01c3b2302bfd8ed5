//! What the logs themselves give cause to say, as checks. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use steady_logs::SinkEvent;
use steady_logs::foreign::Foreign;
use steady_model::check::{Severity, Status};
use steady_model::config::Config;
use steady_model::snapshot::CheckView;
use steady_model::time::WallTime;
use steady_model::words;

/// A flood's line in a check, characters.
const LINE: usize = 72;

/// Floods and drops by service, and files that others write.
#[derive(Debug, Default)]
pub struct LogFacts {
    floods: BTreeMap<String, Fact>,
    drops: BTreeMap<String, Fact>,
    files: BTreeMap<String, Fact>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    /// Whether it goes on.
    trouble: bool,
    evidence: String,
    since: WallTime,
    observed: WallTime,
}

impl LogFacts {
    pub fn apply(&mut self, event: &SinkEvent, at: WallTime) {
        match event {
            SinkEvent::Flood { service, line, count, ended } => {
                let line = shortened(line);
                let count = grouped(*count);
                let evidence = if *ended {
                    format!("{service} no longer repeats one line; it came {count} times: {line}")
                } else {
                    format!("{service} repeats one line, {count} times so far: {line}")
                };
                put(&mut self.floods, service, !ended, evidence, at);
            }
            SinkEvent::Dropped { service, lines, bytes, ended } => {
                let (lines, bytes) = (grouped(*lines), words::bytes(*bytes));
                let evidence = if *ended {
                    format!(
                        "{lines} log lines of {service} ({bytes}) were dropped while they could not be written"
                    )
                } else {
                    format!(
                        "log lines of {service} are being dropped, {lines} so far ({bytes}): they cannot be \
                         written; is the disk full?"
                    )
                };
                put(&mut self.drops, service, !ended, evidence, at);
            }
            // Nothing that anybody should mend.
            SinkEvent::Rotated { .. } => {}
        }
    }

    /// The sink is gone, and its successor tells anew what goes on.
    pub fn sink_gone(&mut self, at: WallTime) {
        for (service, fact) in self.floods.iter_mut().chain(&mut self.drops).filter(|(_, f)| f.trouble) {
            fact.trouble = false;
            fact.evidence = format!("the log sink of {service} was started again: {}", fact.evidence);
            (fact.since, fact.observed) = (at, at);
        }
    }

    pub fn looked_at(&mut self, name: &str, path: &Path, found: &Foreign, at: WallTime) {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let (trouble, evidence) = match found {
            Foreign::Small { bytes } => (false, format!("{file} has {}", words::bytes(*bytes))),
            Foreign::Missing => (false, format!("{file} is not there yet")),
            Foreign::Rotated { archive, bytes } => {
                let archive = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (false, format!("{file} was rotated at {} into {archive}", words::bytes(*bytes)))
            }
            Foreign::Unsafe { bytes, writers } => {
                let who: Vec<String> =
                    writers.iter().map(|w| format!("pid {} ({})", w.pid, w.command)).collect();
                let holds = if who.len() == 1 { "holds" } else { "hold" };
                let evidence = format!(
                    "{file} has grown to {}; {} {holds} it open, so Steady leaves it alone: run that program \
                     under Steady, or have it reopen its log",
                    words::bytes(*bytes),
                    who.join(", ")
                );
                (true, evidence)
            }
            Foreign::Denied { reason } => (true, format!("{file} cannot be rotated: {reason}")),
        };
        put(&mut self.files, name, trouble, evidence, at);
    }

    /// Forgets what is not configured any more.
    pub fn reconfigure(&mut self, config: &Config) {
        let service = |name: &String| config.services.iter().any(|s| s.name == *name);
        self.floods.retain(|name, _| service(name));
        self.drops.retain(|name, _| service(name));
        self.files.retain(|name, _| config.log_files.iter().any(|f| f.name == *name));
    }

    /// One for each service that had a flood or drops, `log:<service>`, and one for each file,
    /// `logfile:<name>`. They pass once it has ended, and go on saying what was.
    pub fn checks(&self) -> Vec<CheckView> {
        let services: std::collections::BTreeSet<&String> =
            self.floods.keys().chain(self.drops.keys()).collect();
        let of_services = services.into_iter().filter_map(|service| {
            let facts: Vec<&Fact> =
                [&self.drops, &self.floods].into_iter().filter_map(|kind| kind.get(service)).collect();
            check(format!("log:{service}"), Some(service.clone()), &facts)
        });
        let of_files =
            self.files.iter().filter_map(|(name, fact)| check(format!("logfile:{name}"), None, &[fact]));
        of_services.chain(of_files).collect()
    }
}

fn put(facts: &mut BTreeMap<String, Fact>, name: &str, trouble: bool, evidence: String, at: WallTime) {
    let known = facts.get(name).filter(|known| known.trouble == trouble);
    let since = known.map_or(at, |known| known.since);
    facts.insert(name.to_owned(), Fact { trouble, evidence, since, observed: at });
}

fn check(name: String, service: Option<String>, facts: &[&Fact]) -> Option<CheckView> {
    // What goes on is told; what was, only when nothing does.
    let trouble = facts.iter().any(|fact| fact.trouble);
    let told: Vec<&&Fact> = facts.iter().filter(|fact| fact.trouble == trouble).collect();
    let evidence: Vec<&str> = told.iter().map(|fact| fact.evidence.as_str()).collect();
    Some(CheckView {
        name,
        kind: "logs".to_owned(),
        status: if trouble { Status::Warn } else { Status::Pass },
        severity: Severity::Warning,
        evidence: evidence.join("; "),
        since: told.iter().map(|fact| fact.since).min(),
        observed: Some(told.iter().map(|fact| fact.observed).max()?),
        took_ms: 0,
        measure: None,
        samples: Vec::new(),
        service,
        explained_by: None,
        action: None,
    })
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or(line).trim_end()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_logs::foreign::Writer;

    use super::*;

    fn at(second: u64) -> WallTime {
        WallTime("2026-11-23T03:16:12Z".parse().unwrap()).after(Duration::from_secs(second))
    }

    fn flood(count: u64, ended: bool) -> SinkEvent {
        SinkEvent::Flood { service: "brain".into(), line: "cannot reach the store".into(), count, ended }
    }

    fn dropped(lines: u64, ended: bool) -> SinkEvent {
        SinkEvent::Dropped { service: "brain".into(), lines, bytes: 80 * lines, ended }
    }

    fn told(facts: &LogFacts) -> String {
        let line = |c: &CheckView| format!("{} {:?} {}", c.name, c.status, c.evidence);
        facts.checks().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_flood_and_a_full_disk_warn_while_they_last_and_are_remembered_after() {
        let mut facts = LogFacts::default();
        assert!(facts.checks().is_empty(), "nothing to say about logs that are well");
        let mut words = Vec::new();
        for (second, event) in [
            flood(1000, false),
            flood(12430, false),
            dropped(9, false),
            dropped(4012, true),
            flood(13000, true),
        ]
        .iter()
        .enumerate()
        {
            facts.apply(event, at(second as u64));
            words.push(told(&facts));
        }
        insta::assert_snapshot!(words.join("\n"));
        assert_eq!(facts.checks()[0].status, Status::Pass);
    }

    #[test]
    fn trouble_is_as_old_as_its_beginning() {
        let mut facts = LogFacts::default();
        facts.apply(&flood(1000, false), at(1));
        facts.apply(&flood(2000, false), at(9));
        let check = &facts.checks()[0];
        assert_eq!((check.since, check.observed), (Some(at(1)), Some(at(9))));
        facts.sink_gone(at(20));
        let check = &facts.checks()[0];
        assert_eq!((check.status, check.since), (Status::Pass, Some(at(20))), "{}", check.evidence);
    }

    #[test]
    fn a_file_that_others_write_is_told_with_who_holds_it() {
        let mut facts = LogFacts::default();
        let writers = vec![Writer { pid: 123, command: "python".into() }];
        let path = Path::new("/srv/queries.jsonl");
        let mut words = Vec::new();
        for found in [
            Foreign::Missing,
            Foreign::Small { bytes: 10 },
            Foreign::Unsafe { bytes: 120_000_000, writers },
            Foreign::Denied { reason: "it belongs to another user (uid 0)".into() },
            Foreign::Rotated {
                archive: "/srv/queries.jsonl.20261123T031612Z-00000001.zst".into(),
                bytes: 120,
            },
        ] {
            facts.looked_at("queries", path, &found, at(0));
            words.push(told(&facts));
        }
        insta::assert_snapshot!(words.join("\n"));
    }
}
