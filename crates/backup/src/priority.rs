//! How much of the machine an engine takes: its place at the processor, and at the disk.

use std::path::Path;
use std::process::Command;

use steady_launch::{environment, find_program};
use steady_model::config::{Env, IoClass};

/// The system's own tool that becomes a program which has the disk only while nobody else wants it.
#[cfg(target_os = "macos")]
const IDLE: (&str, &[&str]) = ("taskpolicy", &["-d", "throttle"]);
/// Where the class is refused, it starts without (`-t`).
#[cfg(not(target_os = "macos"))]
const IDLE: (&str, &[&str]) = ("ionice", &["-t", "-c", "3"]);

/// Must be called while there is only one thread: on Linux the priority is a thread's, which later ones inherit.
pub(crate) fn be_nice(nice: u8) {
    // Refused is what only a higher priority than now would be.
    let _ = rustix::process::setpriority_process(None, i32::from(nice));
}

/// What starts `program` in this class; without it, where the system has no tool to say so.
pub(crate) fn command(program: &Path, io: IoClass) -> Command {
    let (tool, words) = IDLE;
    let tool = match io {
        IoClass::Normal => None,
        IoClass::Idle => environment(&Env::default(), [])
            .ok()
            .and_then(|environment| find_program(tool, Path::new("/"), &environment)),
    };
    if let Some(tool) = tool {
        let mut command = Command::new(tool);
        command.args(words).arg(program);
        return command;
    }
    if io == IoClass::Idle {
        tracing::warn!("`backup.io = \"idle\"` has no effect: this system has no {}", IDLE.0);
    }
    Command::new(program)
}
