//! The words for spans, sizes and exits, the same on every surface.

use std::time::Duration;

use crate::process::Exit;
use crate::service::End;

/// A duration in its largest fitting unit: `3 s`, `12 min`, `2 h`, `5 d`.
pub fn span(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0 if d.as_millis() > 0 => format!("{} ms", d.as_millis()),
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..172_800 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

/// How long ago: `just now`, `12 min ago`.
pub fn ago(d: Duration) -> String {
    if d.as_secs() < 5 { "just now".to_owned() } else { format!("{} ago", span(d)) }
}

/// Bytes in decimal units with one decimal: `71.1 GB`.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    let mut unit = "kB";
    for next in UNITS.into_iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `exit code 3`, `signal 9 (SIGKILL)`.
pub fn exit(e: Exit) -> String {
    match e {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(n) => match signal_name(n) {
            Some(name) => format!("signal {n} ({name})"),
            None => format!("signal {n}"),
        },
        Exit::Unobserved => "an exit that only its parent saw".to_owned(),
    }
}

/// How a run ended, as the cause of what follows.
pub fn end(e: &End) -> String {
    match e {
        End::Exited(how) => exit(*how),
        End::Unresponsive(reason) | End::Memory(reason) => reason.clone(),
        End::Background { pid } => format!("going to the background as pid {pid}"),
    }
}

/// Names of the signals whose numbers Linux and macOS share.
fn signal_name(n: i32) -> Option<&'static str> {
    Some(match n {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    })
}
