//! What a panic of Steady's own leaves behind.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use steady_model::crash::{self, CrashReport, CrashSubject};
use steady_model::time::WallTime;

use crate::{Store, log};

/// A panic that comes again and again in one process says nothing new.
const MOST: u32 = 5;
/// How long a panicking thread waits for the disk.
const PATIENCE: Duration = Duration::from_secs(3);
/// Every other thread of the process is smaller.
const STACK: usize = 512 << 10;

/// From now on each panic of this process writes a crash report into `home`, and then does what it did before.
///
/// The writing happens on a thread of its own that is waited for 3 s, so that neither a slow disk nor a failure
/// in here can hold up or abort the panic. At most five reports per process.
pub fn install_panic_hook(home: &Path, subject: CrashSubject) {
    let before = std::panic::take_hook();
    let (home, started, written) = (home.to_owned(), steady_clock::now().wall, AtomicU32::new(0));
    std::panic::set_hook(Box::new(move |panic| {
        if written.fetch_add(1, Ordering::Relaxed) < MOST {
            let report = report(&subject, panic, started, steady_clock::now().wall);
            write_elsewhere(home.clone(), report);
        }
        before(panic);
    }));
}

fn write_elsewhere(home: PathBuf, mut report: CrashReport) {
    let (done, wait) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("crash-report".to_owned()).stack_size(STACK);
    let begun = thread.spawn(move || {
        report.log = log_of(&home, &report.subject).map_or_else(Vec::new, |path| log::end_of_file(&path));
        // There is nobody left to tell: the panic itself goes to stderr in any case.
        let _ = Store::of(&home).write(&report);
        drop(done);
    });
    if begun.is_ok() {
        let _ = wait.recv_timeout(PATIENCE);
    }
}

fn log_of(home: &Path, subject: &CrashSubject) -> Option<PathBuf> {
    let name = match subject {
        CrashSubject::Agent => "agent.log",
        CrashSubject::Sink => "sink.err",
        CrashSubject::App => "app.log",
        CrashSubject::Engine | CrashSubject::Service(_) => return None,
    };
    Some(home.join(name))
}

fn report(subject: &CrashSubject, panic: &PanicHookInfo<'_>, started: WallTime, at: WallTime) -> CrashReport {
    let pid = std::process::id();
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let place = panic.location().map(|l| format!(" at {l}")).unwrap_or_default();
    let thread = std::thread::current();
    let uptime = at.since(started).and_then(|up| u64::try_from(up.as_millis()).ok());
    CrashReport {
        version: crash::VERSION,
        id: crash::id(subject, at, pid),
        subject: subject.clone(),
        at,
        cause: format!("panic{place}, thread {}: {message}", thread.name().unwrap_or("without a name")),
        end: None,
        pid: Some(pid),
        uptime_ms: uptime,
        streak: 1,
        steady: env!("CARGO_PKG_VERSION").to_owned(),
        command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        cwd: std::env::current_dir().ok().map(|dir| dir.display().to_string()),
        env: BTreeMap::new(),
        log: Vec::new(),
        backtrace: Some(Backtrace::force_capture().to_string()),
    }
}
