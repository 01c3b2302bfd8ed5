//! Follows a marker directory by the kernel's events, also before it exists and after it was replaced.
//!
//! A watch belongs to an inode. A restore exchanges the whole data directory by one rename, and then the old
//! watch follows the old data. So the parent is watched too (or the nearest directory above that exists), and
//! whenever one of the path's names appears, goes or moves there, everything is watched anew.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use steady_model::marker::{self, Markers};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_blocking};

use crate::error::SyncError;
use crate::{clock, markers, volume};

/// A program that writes in place truncates first: reading at once would see an empty marker.
pub const COALESCE: Duration = Duration::from_millis(5);
/// Where the system gives no events, or not for every directory: the markers are read this often.
pub const WITHOUT_EVENTS: Duration = Duration::from_secs(10);
/// A path that is replaced faster than it can be watched is tried again with the next event.
const TRIES: usize = 5;
const MARKERS: [&str; 2] = [marker::COMPLETED, marker::FAILED];

/// Follows until it is dropped.
#[derive(Debug)]
pub struct MarkerWatch(AbortHandle);

impl Drop for MarkerWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The markers, and how they are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub markers: Markers,
    /// How often they are read; `None` is whenever the system says that they changed.
    pub polled: Option<Duration>,
}

/// Sends the markers in `dir` as they are now, and again whenever they change. Must be called within a tokio
/// runtime.
pub fn follow_markers(dir: PathBuf, changes: mpsc::Sender<Watched>) -> MarkerWatch {
    MarkerWatch(tokio::spawn(follow(dir, changes)).abort_handle())
}

async fn follow(dir: PathBuf, changes: mpsc::Sender<Watched>) {
    let signals = Signals::new();
    let mut armed: Option<Armed> = None;
    let mut told: Option<Watched> = None;
    loop {
        let rearm = signals.rearm.swap(false, Ordering::AcqRel);
        let (path, s) = (dir.clone(), Arc::clone(&signals));
        let looked = spawn_blocking(move || {
            // Before reading, so that a change after the reading is an event.
            let fresh = rearm.then(|| arm(&path, &MARKERS, &s));
            (fresh, markers::read(&path))
        });
        let Ok((fresh, markers)) = looked.await else { return };
        match fresh {
            Some(Ok(fresh)) => armed = Some(fresh),
            Some(Err(e)) => {
                tracing::warn!("{e}; reading them every {} s instead", WITHOUT_EVENTS.as_secs());
                armed = None;
            }
            None => {}
        }
        let polled = armed.is_none().then_some(WITHOUT_EVENTS);
        let watched = Watched { markers, polled };
        if told.as_ref() != Some(&watched) {
            told = Some(watched.clone());
            if changes.send(watched).await.is_err() {
                return;
            }
        }
        if armed.is_some() {
            signals.changed.notified().await;
        } else {
            signals.rearm.store(true, Ordering::Release);
            clock::pause(WITHOUT_EVENTS).await;
        }
        clock::pause(COALESCE).await;
    }
}

pub struct Signals {
    /// The directories must be watched anew.
    pub rearm: AtomicBool,
    pub changed: Notify,
}

impl Signals {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { rearm: AtomicBool::new(true), changed: Notify::new() })
    }
}

/// Watches as long as it lives.
pub struct Armed {
    _watcher: RecommendedWatcher,
}

/// Follows the files of these names in `dir`.
pub fn arm(dir: &Path, files: &[impl AsRef<OsStr>], signals: &Arc<Signals>) -> Result<Armed, SyncError> {
    let failed = |source| SyncError::Watch { dir: dir.to_owned(), source };
    if !volume::tells_changes(dir) {
        return Err(SyncError::Silent { dir: dir.to_owned() });
    }
    let files: Vec<OsString> = files.iter().map(|f| f.as_ref().to_owned()).collect();
    let mut last = try_arm(dir, &files, signals);
    for _ in 1..TRIES {
        match last {
            Ok(Some(armed)) => return Ok(armed),
            // It was replaced meanwhile, or vanished.
            Ok(None) | Err(_) => last = try_arm(dir, &files, signals),
        }
    }
    match last {
        Ok(Some(armed)) => Ok(armed),
        Ok(None) => Err(failed(notify::Error::generic("the directory is replaced all the time"))),
        Err(e) => Err(failed(e)),
    }
}

/// `None` when the path changed while it was being watched.
fn try_arm(dir: &Path, files: &[OsString], signals: &Arc<Signals>) -> notify::Result<Option<Armed>> {
    let plan = Plan::of(dir);
    let (names, files, s) = (plan.names.clone(), files.to_vec(), Arc::clone(signals));
    let mut watcher = notify::recommended_watcher(move |event| sort(&names, &files, &s, event))?;
    for path in &plan.watched {
        watcher.watch(path, RecursiveMode::NonRecursive)?;
    }
    Ok((Plan::of(dir) == plan).then_some(Armed { _watcher: watcher }))
}

/// What must be watched to follow a directory, as things are.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    watched: Vec<PathBuf>,
    /// Device and inode of each of them.
    identities: Vec<Option<(u64, u64)>>,
    /// The path's names from the watched directory above down to it.
    names: Vec<OsString>,
}

impl Plan {
    fn of(dir: &Path) -> Self {
        let above = dir.ancestors().skip(1).find(|a| a.is_dir());
        let watched: Vec<PathBuf> =
            above.into_iter().chain(dir.is_dir().then_some(dir)).map(Path::to_owned).collect();
        let identities = watched.iter().map(|p| p.metadata().ok().map(|m| (m.dev(), m.ino()))).collect();
        let end = above.and_then(Path::parent);
        let names = dir.ancestors().take_while(|a| Some(*a) != end).filter_map(Path::file_name);
        Self { watched, identities, names: names.map(OsStr::to_owned).collect() }
    }
}

/// Runs on the watcher's thread for every event in the directories: most are not ours.
fn sort(names: &[OsString], files: &[OsString], signals: &Signals, event: notify::Result<Event>) {
    let (changed, rearm) = match event {
        Err(_) => (true, true),
        Ok(event) if event.need_rescan() => (true, true),
        Ok(event) => {
            let about = |wanted: &dyn Fn(&OsStr) -> bool| {
                event.paths.iter().filter_map(|p| p.file_name()).any(wanted)
            };
            let moved = is_move(event.kind) && about(&|n| names.iter().any(|name| name == n));
            let marked = is_change(event.kind) && about(&|n| files.iter().any(|file| file == n));
            (marked || moved, moved)
        }
    };
    if rearm {
        signals.rearm.store(true, Ordering::Release);
    }
    if changed {
        signals.changed.notify_one();
    }
}

/// Reading a marker is an event too: it must not lead to the next reading.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn is_move(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => true,
        EventKind::Modify(how) => matches!(how, ModifyKind::Name(_) | ModifyKind::Any | ModifyKind::Other),
        EventKind::Access(_) => false,
    }
}
