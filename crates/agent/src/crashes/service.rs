use std::path::Path;

use steady_model::crash::{self, CrashReport, CrashSubject, LOG_LINES};
use steady_model::words;
use steady_supervise::Crash;

/// The report of a service's end. Reads the end of its log below `logs`; a log that cannot be read is said in its
/// place.
pub fn report(service: &str, crash: Crash, logs: &Path) -> CrashReport {
    let lines = steady_logs::tail(&logs.join(service), LOG_LINES)
        .unwrap_or_else(|e| vec![format!("steady: the log could not be read: {e}")]);
    let shown = |text: &str| crash.redactor.line(text).into_owned();
    let subject = CrashSubject::Service(service.to_owned());
    CrashReport {
        version: crash::VERSION,
        id: crash::id(&subject, crash.at, crash.pid.unwrap_or_default()),
        subject,
        at: crash.at,
        cause: words::cause(&crash.end),
        pid: crash.pid,
        uptime_ms: crash.uptime.and_then(|up| u64::try_from(up.as_millis()).ok()),
        streak: crash.streak,
        steady: env!("CARGO_PKG_VERSION").to_owned(),
        command: crash.command.iter().map(|arg| shown(arg)).collect(),
        cwd: Some(crash.cwd.display().to_string()),
        // Redacted before they are cut: half a secret would not be found.
        log: steady_crash::bounded(lines.iter().map(|line| shown(line)).collect()),
        env: crash.env,
        backtrace: None,
        end: Some(crash.end),
    }
}
