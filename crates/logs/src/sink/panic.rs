//! The sink's own crash report: without it, a panic would be a line in a file that the next sink empties.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process;

use steady_model::crash::{CrashReport, CrashSubject, VERSION};
use steady_model::time::WallTime;

/// From now on a panic leaves `<home>/crashes/<id>.json`, and is said on standard error as before.
pub fn report_to(home: &Path, since: WallTime) {
    let dir = home.join("crashes");
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        let report = report(info, since, steady_clock::now().wall);
        // In a panic there is nobody left to tell that this failed too.
        let _ = write(&dir, &report);
    }));
}

fn report(info: &PanicHookInfo<'_>, since: WallTime, now: WallTime) -> CrashReport {
    let said = info.payload_as_str().unwrap_or("a panic without words");
    let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
    let pid = process::id();
    CrashReport {
        version: VERSION,
        id: format!("{}-sink-{pid}", now.0.strftime("%Y%m%dT%H%M%SZ")),
        subject: CrashSubject::Sink,
        at: now,
        cause: format!("panicked{place}: {said}"),
        end: None,
        pid: Some(pid),
        uptime_ms: now.since(since).map(|up| u64::try_from(up.as_millis()).unwrap_or(u64::MAX)),
        streak: 1,
        steady: env!("CARGO_PKG_VERSION").to_owned(),
        command: std::env::args().collect(),
        cwd: None,
        env: BTreeMap::new(),
        log: Vec::new(),
        backtrace: Some(Backtrace::force_capture().to_string()),
    }
}

fn write(dir: &Path, report: &CrashReport) -> Result<PathBuf, crate::SinkError> {
    steady_disk::create_private_dir(dir)?;
    let path = dir.join(format!("{}.json", report.id));
    let bytes = serde_json::to_vec_pretty(report)
        .map_err(|source| crate::SinkError::at("write", &path)(source.into()))?;
    steady_disk::write_atomic(&path, &bytes, 0o600)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_panic_leaves_a_report_with_its_words_and_where_it_was() {
        let home = tempfile::tempdir().unwrap();
        report_to(home.path(), steady_clock::now().wall);
        let thread = std::thread::spawn(|| panic!("the book has no page {}", 7));
        assert!(thread.join().is_err());
        let _ = panic::take_hook();
        let mut reports = fs::read_dir(home.path().join("crashes")).unwrap();
        let path = reports.next().unwrap().unwrap().path();
        let report: CrashReport = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(report.subject, CrashSubject::Sink);
        assert!(report.cause.contains("panic.rs:") && report.cause.ends_with("the book has no page 7"));
        assert!(report.backtrace.unwrap().contains("steady_logs"));
        assert!(report.uptime_ms.unwrap() < 60_000);
    }
}
