//! Files that others write: looked at when they change, and slowly in any case, since neither a file's age nor
//! the end of its last writer is always an event.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use steady_logs::foreign;
use steady_model::config::{Config, LogFile};
use tokio::sync::{mpsc, watch};

use super::{Seen, pause};

/// Without any event.
const SLOWLY: Duration = Duration::from_secs(300);
/// A file that is written all the time is looked at this often.
const AT_MOST: Duration = Duration::from_secs(10);

pub async fn watch(mut config: watch::Receiver<Arc<Config>>, seen: mpsc::Sender<Seen>) {
    loop {
        let files = config.borrow_and_update().log_files.clone();
        let (poke, mut poked) = mpsc::channel(1);
        let _watcher = armed(&files, poke);
        loop {
            for spec in &files {
                look(spec, &seen).await;
            }
            tokio::select! {
                changed = config.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(()) = poked.recv() => {
                    pause(AT_MOST).await;
                    // What came meanwhile is seen by the same look.
                    let _ = poked.try_recv();
                }
                () = pause(SLOWLY), if !files.is_empty() => {}
            }
        }
    }
}

async fn look(spec: &LogFile, seen: &mpsc::Sender<Seen>) {
    let (path, rotation, now) = (spec.path.clone(), spec.rotation, steady_clock::now().wall);
    let looked = tokio::task::spawn_blocking(move || foreign::rotate(&path, &rotation, now)).await;
    if let Ok(found) = looked {
        let _ = seen.send(Seen::File { spec: spec.clone(), found }).await;
    }
}

/// Their directories, so that a file that is replaced or made later is seen too.
fn armed(files: &[LogFile], poke: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let dirs: BTreeSet<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
    if dirs.is_empty() {
        return None;
    }
    let names: BTreeSet<_> = files.iter().map(|file| file.path.clone()).collect();
    let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let ours = |event: &notify::Event| event.paths.iter().any(|path| names.contains(path));
        if event.is_ok_and(|event| ours(&event)) {
            // One that waits stands for all.
            let _ = poke.try_send(());
        }
    });
    let mut watcher = made.map_err(|e| tracing::warn!("cannot watch log files: {e}")).ok()?;
    for dir in dirs {
        if let Err(e) = watcher.watch(dir, RecursiveMode::NonRecursive) {
            tracing::warn!("cannot watch {}: {e}; looking every {} s", dir.display(), SLOWLY.as_secs());
        }
    }
    Some(watcher)
}
