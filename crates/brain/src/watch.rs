//! Follows the vault by the kernel's events, also when it vanishes, comes back or is replaced.
//!
//! A watch belongs to an inode, and a name can come to mean another one: an unmounted volume, a restored folder.
//! So the root's identity is looked at now and then, which costs one `stat`; all else waits for events.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::backlog::Backlog;
use crate::clock;
use crate::vault::{is_hidden_name, is_markdown};

/// Between two looks at whether the vault is still the one that is watched.
const IDENTITY: Duration = Duration::from_secs(2);
/// Where the system gives no events, the whole vault is looked at this often.
const WITHOUT_EVENTS: Duration = Duration::from_secs(60);
/// Changes that come within this belong together, such as the steps of an editor that saves.
const QUIET: Duration = Duration::from_millis(100);
/// Under a steady rain of changes something has to happen, too.
const LONGEST: Duration = Duration::from_millis(1000);

/// What has changed in the vault, gathered until somebody takes it.
#[derive(Debug, Default)]
pub struct Changes {
    backlog: Mutex<Backlog>,
    told: Notify,
}

impl Changes {
    pub fn add(&self, more: Backlog) {
        if !more.is_nothing() {
            self.backlog.lock().unwrap_or_else(PoisonError::into_inner).add(more);
            self.told.notify_one();
        }
    }

    pub fn take(&self) -> Backlog {
        std::mem::take(&mut *self.backlog.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a change, and then for the next quiet moment.
    pub async fn settled(&self) {
        self.told.notified().await;
        let rain = async { while timeout(QUIET, self.told.notified()).await.is_ok() {} };
        let _ = timeout(LONGEST, rain).await;
    }
}

/// Follows the vault at `root` until it is dropped. Whenever a watch begins, the whole vault counts as changed.
pub async fn follow(root: PathBuf, changes: Arc<Changes>) {
    let (mut missing, mut silent) = (false, false);
    loop {
        let (path, told) = (root.clone(), Arc::clone(&changes));
        let Ok((seen, armed)) = spawn_blocking(move || (identity(&path), arm(&path, &told))).await else {
            return;
        };
        if seen.is_none() {
            if !std::mem::replace(&mut missing, true) {
                warn!(target: "brain.watch", "the vault {} is gone; waiting for it", root.display());
            }
            clock::pause(IDENTITY).await;
            continue;
        }
        if std::mem::take(&mut missing) {
            info!(target: "brain.watch", "the vault {} is back", root.display());
        }
        changes.add(Backlog::Changes);
        match armed {
            Ok(_armed) => {
                silent = false;
                while_it_is(&root, seen).await;
            }
            Err(e) => {
                if !std::mem::replace(&mut silent, true) {
                    warn!(target: "brain.watch", "the vault {} cannot be watched: {e}; looking at all of it every {} s \
                    (on Linux, raise fs.inotify.max_user_watches)", root.display(), WITHOUT_EVENTS.as_secs());
                }
                let _ = timeout(WITHOUT_EVENTS, while_it_is(&root, seen)).await;
            }
        }
    }
}

type Identity = Option<(u64, u64)>;

fn identity(root: &Path) -> Identity {
    fs::metadata(root).ok().map(|meta| (meta.dev(), meta.ino()))
}

async fn while_it_is(root: &Path, seen: Identity) {
    loop {
        clock::pause(IDENTITY).await;
        let path = root.to_owned();
        if !spawn_blocking(move || identity(&path) == seen).await.unwrap_or(true) {
            return;
        }
    }
}

/// Watches as long as it lives.
fn arm(root: &Path, changes: &Arc<Changes>) -> notify::Result<RecommendedWatcher> {
    // Events name real paths, whatever links lead to the vault.
    let real = root.canonicalize().map_err(notify::Error::io)?;
    let (base, told) = (real.clone(), Arc::clone(changes));
    let sort = move |event| told.add(changed(&base, event));
    let mut watcher = RecommendedWatcher::new(sort, Config::default().with_follow_symlinks(false))?;
    watcher.watch(&real, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// What an event says about notes. Runs on the watcher's thread.
fn changed(root: &Path, event: notify::Result<Event>) -> Backlog {
    let event = match event {
        Ok(event) if !event.need_rescan() => event,
        // Events were lost.
        _ => return Backlog::Changes,
    };
    let (content, name) = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => (true, false),
        EventKind::Access(_) => (false, false),
        EventKind::Modify(_)
        | EventKind::Create(_)
        | EventKind::Remove(_)
        | EventKind::Any
        | EventKind::Other => (true, true),
    };
    let mut backlog = Backlog::Nothing;
    for path in &event.paths {
        let Ok(relative) = path.strip_prefix(root) else { return Backlog::Changes };
        let hidden = relative.iter().any(is_hidden_name);
        // A name that is no note's may be that of a folder of notes.
        let matters = (content && is_markdown(relative)) || name;
        if let (true, false, Some(relative)) = (matters, hidden, relative.to_str()) {
            // The root itself: the look at its identity tells.
            if !relative.is_empty() {
                backlog.add(Backlog::path(relative.to_owned()));
            }
        }
    }
    backlog
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    #[test]
    fn events_become_the_paths_that_an_index_run_has_to_look_at() {
        let root = Path::new("/vault");
        let told = |kind: EventKind, path: &str| changed(root, Ok(Event::new(kind).add_path(path.into())));
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let gone = EventKind::Remove(RemoveKind::Any);
        assert_eq!(told(data, "/vault/a/b.md"), Backlog::path("a/b.md".into()));
        assert_eq!(told(gone, "/vault/folder"), Backlog::path("folder".into()));
        assert_eq!(
            told(EventKind::Create(CreateKind::Folder), "/vault/folder"),
            Backlog::path("folder".into())
        );
        for (kind, path) in [
            (data, "/vault/picture.png"),
            (data, "/vault/.obsidian/workspace.md"),
            (gone, "/vault/.a.md.swp"),
            (gone, "/vault"),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "/vault/a.md"),
        ] {
            assert_eq!(told(kind, path), Backlog::Nothing, "{kind:?} {path}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(changed(root, Ok(lost)), Backlog::Changes);
        assert_eq!(changed(root, Err(notify::Error::generic("broken"))), Backlog::Changes);
    }
}
