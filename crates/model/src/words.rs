//! The words for spans, sizes and exits, the same on every surface.

use std::time::Duration;

use crate::process::Exit;
use crate::service::End;

/// A duration in its largest fitting unit: `3 s`, `12 min`, `2 h`, `5 d`.
pub fn span(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        // What was too short to count took some time all the same.
        0 if d.as_millis() == 0 && !d.is_zero() => "under 1 ms".to_owned(),
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

/// Since when it lasts: `just now`, `since 12 min ago`.
pub fn since(d: Duration) -> String {
    if d.as_secs() < 5 { ago(d) } else { format!("since {}", ago(d)) }
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

/// How a run ended with what that means, where the number alone does not say it.
pub fn cause(e: &End) -> String {
    let meaning = match e {
        End::Exited(how) => exit_meaning(*how),
        _ => None,
    };
    match meaning {
        Some(meaning) => format!("{}: {meaning}", end(e)),
        None => end(e),
    }
}

/// What an exit code or a signal commonly means. `None` where it means what its program says: code 3 of one
/// is "the port is taken", of another "no such note".
pub fn exit_meaning(e: Exit) -> Option<String> {
    let fixed = |text: &str| Some(text.to_owned());
    match e {
        Exit::Code(0) => fixed("it ended by itself and found nothing wrong"),
        Exit::Code(126) => fixed("the command was found but may not be executed"),
        Exit::Code(127) => fixed("the command was not found"),
        // Higher signal numbers are the real-time ones, and 255 is a common code of its own.
        Exit::Code(code @ 129..=159) => {
            let signal = Exit::Signal(code - 128);
            let meaning = exit_meaning(signal).map(|m| format!(", {m}")).unwrap_or_default();
            Some(format!("as a shell reports {}{meaning}", exit(signal)))
        }
        Exit::Signal(n) => signal_meaning(n).map(str::to_owned),
        Exit::Code(_) | Exit::Unobserved => None,
    }
}

/// Only of numbers that Linux and macOS share.
fn signal_meaning(n: i32) -> Option<&'static str> {
    Some(match n {
        1 => "its terminal was closed",
        2 => "interrupted, as by Ctrl-C",
        3 => "told to quit and leave a core dump",
        4 => "it ran an instruction that this processor does not have",
        5 => "it met a breakpoint without a debugger",
        6 => "it gave up by itself (abort), after a failed assertion or a panic",
        8 => "it calculated what has no result, as a division by zero",
        9 => "killed: by a person, by Steady, or by the system when memory ran out",
        11 => "it touched memory that is not its own",
        13 => "it wrote to a pipe that nobody reads",
        14 => "a timer of its own ran out",
        15 => "told to end, not by Steady",
        24 => "it used more CPU time than its limit",
        25 => "a file grew beyond its limit",
        _ => return None,
    })
}

/// Names of the signals whose numbers Linux and macOS share.
fn signal_name(n: i32) -> Option<&'static str> {
    Some(match n {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_its_meaning_and_a_code_of_the_programs_own_without_one() {
        let causes: Vec<String> = [0, 1, 3, 126, 127, 130, 134, 137, 139, 143, 255]
            .map(Exit::Code)
            .into_iter()
            .chain([4, 6, 9, 11, 15, 24, 7, 10, 64].map(Exit::Signal))
            .chain([Exit::Unobserved])
            .map(|e| cause(&End::Exited(e)))
            .chain([cause(&End::Memory("1.2 GB of memory, its limit is 1.0 GB".into()))])
            .collect();
        insta::assert_snapshot!(causes.join("\n"));
    }
}
