//! Snapshots and restore points as text for a terminal.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use steady_model::api::{Changed, Consequence, ReloadPlan};
use steady_model::backup::RestorePoint;
use steady_model::check::Status;
use steady_model::copy::CopyView;
use steady_model::crash::{CrashReport, CrashSummary};
use steady_model::history::{HistoryPage, Lived};
use steady_model::snapshot::{CheckView, Snapshot};
use steady_model::time::WallTime;
use steady_model::words;

use crate::progress;
use crate::style::{mark, paint, word};

/// A terminal that is narrower, or does not tell its width, gets lines as long as they are.
const NARROWEST: u16 = 60;

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let fits = table.width().is_some_and(|width| width >= NARROWEST);
    let arrangement = if fits { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
    table.set_header(header.to_vec());
    table
}

fn state(status: Status) -> String {
    paint(status, &format!("{} {}", mark(status), word(status)))
}

pub fn ago(at: Option<WallTime>, now: WallTime) -> String {
    at.and_then(|t| now.since(t)).map(words::ago).unwrap_or_default()
}

/// The whole of a snapshot on one screen.
pub fn snapshot(s: &Snapshot) -> String {
    let mut lines =
        vec![paint(s.verdict.status, &format!("{} {}", mark(s.verdict.status), s.verdict.sentence))];
    lines.extend(s.verdict.reasons.iter().map(|reason| {
        let (mark, told) = (paint(reason.status, mark(reason.status)), reason.dated(s.at));
        format!("  {mark} {told} — {}", reason.action)
    }));
    lines.extend(s.backup.operation.as_ref().map(|op| {
        let share = (op.done_bytes * 100).checked_div(op.total_bytes).map(|percent| format!(" {percent} %"));
        format!("  {}{}: {}", op.kind.gerund(), share.unwrap_or_default(), progress::line(op))
    }));
    let services = services(s);
    let mut checks = table(&["CHECK", "STATE", "SEEN", "EVIDENCE"]);
    for c in &s.checks {
        checks.add_row(vec![c.name.clone(), state(c.status), ago(c.observed, s.at), evidence(c)]);
    }
    for j in &s.jobs {
        let phrase = if j.running_since.is_some() { "running now".to_owned() } else { j.phrase.clone() };
        checks.add_row(vec![j.name.clone(), state(j.status), ago(j.last_success, s.at), phrase]);
    }
    if s.backup.configured {
        let newest = s.backup.points.first().map(|p| p.taken);
        checks.add_row(vec![
            "backup".into(),
            state(s.backup.status),
            ago(newest, s.at),
            s.backup.phrase.clone(),
        ]);
    }
    let head = format!("{}\n\n{services}", lines.join("\n"));
    if checks.is_empty() { head } else { format!("{head}\n\n{checks}") }
}

/// All checks, and what they see.
pub fn checks(s: &Snapshot) -> String {
    let mut checks = table(&["CHECK", "KIND", "STATE", "SEEN", "EVIDENCE"]);
    for c in &s.checks {
        let seen = ago(c.observed, s.at);
        checks.add_row(vec![c.name.clone(), c.kind.clone(), state(c.status), seen, evidence(c)]);
    }
    checks.to_string()
}

/// What was seen, and whose trouble explains it: such a row gives no reason of its own above.
fn evidence(c: &CheckView) -> String {
    match &c.explained_by {
        Some(cause) => format!("{} (because of {cause})", c.evidence),
        None => c.evidence.clone(),
    }
}

/// With memory and CPU once they were sampled.
fn services(s: &Snapshot) -> Table {
    let sampled = s.services.iter().any(|v| v.usage.is_some());
    let mut header = vec!["SERVICE", "STATE", "PID", "PORT", "RESTARTS"];
    if sampled {
        header.extend(["MEMORY", "CPU"]);
    }
    header.push("DETAIL");
    let mut services = table(&header);
    for v in &s.services {
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let mut row = vec![
            v.name.clone(),
            state(v.status),
            number(v.pid),
            number(v.port.map(u32::from)),
            v.restarts.to_string(),
        ];
        if sampled {
            let usage = v.usage.as_ref();
            row.push(usage.map(|u| words::bytes(u.memory_bytes)).unwrap_or_default());
            row.push(usage.and_then(|u| u.cpu_permille).map(cpu).unwrap_or_default());
        }
        row.push(v.detail.clone());
        services.add_row(row);
    }
    services
}

/// Of one core: `3.4 %`.
fn cpu(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// What one subject was in, newest first, in the time of `zone`.
pub fn history(page: &HistoryPage, now: WallTime, zone: &TimeZone) -> String {
    if page.intervals.is_empty() {
        return format!(
            "Nothing is known of {} from then. There is a history of: {}.",
            page.subject,
            page.subjects.join(", ")
        );
    }
    let mut t = table(&["FROM", "FOR", "STATE", "SENTENCE"]);
    for interval in &page.intervals {
        let lasted = interval.to.unwrap_or(now).since(interval.from).unwrap_or_default();
        let state = match interval.status {
            Lived::Pass => state(Status::Pass),
            Lived::Unknown => state(Status::Unknown),
            Lived::Warn => state(Status::Warn),
            Lived::Fail => state(Status::Fail),
            Lived::Asleep => paint(Status::Unknown, "z asleep"),
        };
        t.add_row(vec![
            interval.from.0.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            words::span(lasted),
            state,
            interval.sentence.clone(),
        ]);
    }
    t.to_string()
}

pub fn crashes(crashes: &[CrashSummary], now: WallTime) -> String {
    if crashes.is_empty() {
        return "No crash reports.".to_owned();
    }
    let mut t = table(&["WHEN", "WHAT", "CAUSE", "ID"]);
    for crash in crashes {
        t.add_row(vec![
            ago(Some(crash.at), now),
            crash.subject.name().to_owned(),
            crash.cause.clone(),
            crash.id.clone(),
        ]);
    }
    t.to_string()
}

/// All of a report. What it shows was made safe to show when it was written.
pub fn crash(report: &CrashReport) -> String {
    let mut lines = vec![format!("{}: {}", report.subject.name(), report.cause)];
    let mut fact = |name: &str, value: Option<String>| {
        lines.extend(value.filter(|v| !v.is_empty()).map(|value| format!("  {name:<9} {value}")));
    };
    fact("at", Some(report.at.to_string()));
    fact("pid", report.pid.map(|pid| pid.to_string()));
    fact("ran for", report.uptime_ms.map(|ms| words::span(Duration::from_millis(ms))));
    fact("streak", (report.streak > 1).then(|| format!("{} unexpected ends in a row", report.streak)));
    fact("command", Some(report.command.join(" ")));
    fact("directory", report.cwd.clone());
    fact("steady", Some(report.steady.clone()));
    fact("id", Some(report.id.clone()));
    let mut part = |title: &str, content: Vec<String>| {
        if !content.is_empty() {
            lines.push(format!("\n{title}"));
            lines.extend(content.into_iter().map(|line| format!("  {line}")));
        }
    };
    part("Environment", report.env.iter().map(|(name, value)| format!("{name}={value}")).collect());
    part("Backtrace", report.backtrace.iter().flat_map(|b| b.lines()).map(str::to_owned).collect());
    part("The end of its log", report.log.clone());
    lines.join("\n")
}

pub fn reload(plan: &ReloadPlan) -> String {
    if plan.changes.is_empty() {
        return "The configuration has not changed.".to_owned();
    }
    let mut t = table(&["SECTION", "CHANGE", "CONSEQUENCE"]);
    for change in &plan.changes {
        let section = match &change.name {
            Some(name) => format!("{}.{name}", change.section),
            None => change.section.clone(),
        };
        let what = match change.what {
            Changed::Added => "added",
            Changed::Removed => "removed",
            Changed::Changed => "changed",
        };
        let consequence = match change.consequence {
            Consequence::AtOnce => "in force at once, nothing restarts",
            Consequence::Starts => "starts",
            Consequence::Stops => "stops",
            Consequence::Restarts => "restarts",
            Consequence::AgentRestart => {
                "waits for the agent's next start (`steady down --keep-services`, `steady up`)"
            }
        };
        t.add_row(vec![section, what.to_owned(), consequence.to_owned()]);
    }
    let said = if plan.applied { "In force now." } else { "Nothing was done: this was a dry run." };
    format!("{t}\n\n{said}")
}

pub fn copies(copies: &[CopyView]) -> String {
    if copies.is_empty() {
        return "No copies are configured. A [backup.copy.NAME] section in steady.toml makes one.".to_owned();
    }
    let mut t = table(&["NAME", "STATE", "POINTS", "TO", "DETAIL"]);
    for copy in copies {
        let phrase = if copy.facts.running { "copying now".to_owned() } else { copy.phrase.clone() };
        t.add_row(vec![
            copy.name.clone(),
            state(copy.status),
            copy.facts.points.to_string(),
            copy.to.clone(),
            phrase,
        ]);
    }
    // What the state leaves out, because the age alone counts: why it cannot be reached.
    let failed = copies.iter().filter(|copy| !copy.facts.running && copy.facts.absent).filter_map(|copy| {
        let again = copy.facts.next.map(|at| {
            let zone = TimeZone::system();
            format!(" It is tried again at {}.", at.0.to_zoned(zone).strftime("%H:%M"))
        });
        let again = again.unwrap_or_default();
        Some(format!("{}: {}.{again}", copy.name, copy.facts.error.as_ref()?))
    });
    std::iter::once(t.to_string()).chain(failed).collect::<Vec<_>>().join("\n")
}

pub fn points(points: &[RestorePoint], now: WallTime) -> String {
    if points.is_empty() {
        return "No restore points yet. `steady backup` takes one.".to_owned();
    }
    let mut t = table(&["ID", "TAKEN", "VERIFIED", "SIZE", "ADDED", "KIND"]);
    for p in points {
        let verified = match (p.verified, p.missing.len()) {
            (Some(at), _) => ago(Some(at), now),
            (None, 0) => "not verified".to_owned(),
            (None, n) => format!("incomplete: {n} not read"),
        };
        let kind = crate::point::how(p);
        let id: String = p.id.chars().take(12).collect();
        t.add_row(vec![
            id,
            ago(Some(p.taken), now),
            verified,
            words::bytes(p.bytes),
            words::bytes(p.added),
            kind.into(),
        ]);
    }
    t.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use steady_model::api::Change;
    use steady_model::crash::{CrashSubject, REDACTED, VERSION};
    use steady_model::history::Interval;
    use steady_model::process::Exit;
    use steady_model::service::End;

    use super::*;

    fn at(second: u64) -> WallTime {
        WallTime("2026-11-23T03:16:12Z".parse().unwrap()).after(Duration::from_secs(second))
    }

    fn report(subject: CrashSubject) -> CrashReport {
        CrashReport {
            version: VERSION,
            id: steady_model::crash::id(&subject, at(0), 4711),
            subject,
            at: at(0),
            cause: "signal 11 (SIGSEGV): it touched memory that is not its own".into(),
            end: Some(End::Exited(Exit::Signal(11))),
            pid: Some(4711),
            uptime_ms: Some(61_000),
            streak: 2,
            steady: "0.1.0".into(),
            command: vec!["brain".into(), "serve".into()],
            cwd: Some("/srv/brain".into()),
            env: BTreeMap::from([("API_KEY".into(), REDACTED.into()), ("PORT".into(), "8741".into())]),
            log: vec!["one".into(), "two".into()],
            backtrace: None,
        }
    }

    #[test]
    fn a_row_whose_trouble_another_explains_names_it() {
        let row = |explained_by: Option<&str>| CheckView {
            name: "outbox".into(),
            kind: "outbox".into(),
            status: Status::Fail,
            severity: steady_model::check::Severity::Critical,
            evidence: "connection refused".into(),
            since: None,
            observed: None,
            took_ms: 0,
            measure: None,
            samples: Vec::new(),
            service: None,
            explained_by: explained_by.map(str::to_owned),
            action: None,
        };
        assert_eq!(evidence(&row(Some("db"))), "connection refused (because of db)");
        assert_eq!(evidence(&row(None)), "connection refused");
    }

    #[test]
    fn history_is_told_with_its_gaps() {
        let lived = |status, from, to: Option<u64>, sentence: &str| Interval {
            subject: "check:vault".into(),
            status,
            from: at(from),
            to: to.map(at),
            sentence: sentence.into(),
        };
        let intervals = vec![
            lived(Lived::Pass, 40_000, None, "/srv/vault has 212 entries"),
            lived(Lived::Unknown, 39_990, Some(40_000), "Steady did not run"),
            lived(Lived::Asleep, 3600, Some(39_990), "the machine slept"),
            lived(Lived::Fail, 0, Some(3600), "/srv/vault is missing"),
        ];
        let subjects = vec!["check:vault".into(), "overall".into()];
        let page = HistoryPage { subject: "check:vault".into(), intervals, earlier: None, subjects };
        let empty = HistoryPage { intervals: Vec::new(), ..page.clone() };
        let told = |page| history(page, at(40_100), &TimeZone::UTC);
        insta::assert_snapshot!(format!("{}\n\n{}", told(&page), told(&empty)));
    }

    #[test]
    fn crash_reports_are_told_in_a_list_and_in_full() {
        let brain = report(CrashSubject::Service("brain".into()));
        let mut agent = report(CrashSubject::Agent);
        agent.cause = "panic at crates/agent/src/run.rs:1:1, thread main: the book said 7".into();
        let list = crashes(&[agent.summary(), brain.summary()], at(720));
        insta::assert_snapshot!(format!("{list}\n\n{}\n\n{}", crash(&brain), crashes(&[], at(0))));
    }

    #[test]
    fn a_reload_says_what_changes_and_what_that_does() {
        let change = |section: &str, name: Option<&str>, what, consequence| Change {
            section: section.into(),
            name: name.map(Into::into),
            what,
            consequence,
        };
        let changes = vec![
            change("service", Some("db"), Changed::Changed, Consequence::Restarts),
            change("service", Some("new"), Changed::Added, Consequence::Starts),
            change("service", Some("old"), Changed::Removed, Consequence::Stops),
            change("check", Some("disk"), Changed::Changed, Consequence::AtOnce),
            change("agent", None, Changed::Changed, Consequence::AgentRestart),
        ];
        let dry = reload(&ReloadPlan { changes, applied: false });
        insta::assert_snapshot!(format!(
            "{dry}\n\n{}",
            reload(&ReloadPlan { changes: vec![], applied: true })
        ));
    }
}
