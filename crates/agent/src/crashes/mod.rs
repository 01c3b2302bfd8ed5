//! The owner of crash reports: writes those of services, and tells of all that come.
//!
//! Reports of Steady's own programs are written by those themselves (`steady_crash::install_panic_hook`); the
//! directory is watched, so that they show at once.

mod running;
mod service;

use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use steady_crash::{CrashError, Store};
use steady_model::crash::{CrashReport, CrashSummary};
use steady_supervise::Crash;
use tokio::sync::{mpsc, watch};

use crate::events::Notice;
use crate::home::Home;

pub use running::Running;

/// Reports shown with every snapshot.
const SHOWN: usize = 5;
/// Crashes that may wait to be written; beyond it they are only logged.
const BACKLOG: usize = 64;
/// The sink is a process of its own, and nothing tells when it has written a service's last words.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Speaks to the owner of crash reports. Cheap to clone.
#[derive(Clone)]
pub struct CrashesHandle {
    store: Store,
    orders: mpsc::Sender<Order>,
    listed: watch::Receiver<Arc<Vec<CrashSummary>>>,
}

enum Order {
    Service {
        name: String,
        crash: Box<Crash>,
    },
    /// Something changed in the directory.
    Look,
}

/// Starts the owner, which tells the World of the newest reports. Needs a tokio runtime.
pub fn start(home: &Home, world: mpsc::Sender<Notice>) -> CrashesHandle {
    let store = Store::of(home.root());
    let (orders, inbox) = mpsc::channel(BACKLOG);
    let (lists, listed) = watch::channel(Arc::default());
    let owner = Owner { store: store.clone(), home: home.clone(), world, lists, named: Vec::new() };
    tokio::spawn(owner.run(orders.clone(), inbox));
    CrashesHandle { store, orders, listed }
}

impl CrashesHandle {
    /// A service ended without being asked to. Returns at once.
    pub fn service_crashed(&self, name: &str, crash: Box<Crash>) {
        let order = Order::Service { name: name.to_owned(), crash };
        if self.orders.try_send(order).is_err() {
            tracing::warn!(service = name, "too many crashes at once: no report of this one");
        }
    }

    /// All reports, newest first; changes with every report that comes or goes.
    pub fn listed(&self) -> watch::Receiver<Arc<Vec<CrashSummary>>> {
        self.listed.clone()
    }

    /// One report. Reads a file, elsewhere.
    pub async fn read(&self, id: &str) -> Result<CrashReport, CrashError> {
        let (store, id) = (self.store.clone(), id.to_owned());
        let not_found = CrashError::NotFound { id: id.clone() };
        tokio::task::spawn_blocking(move || store.read(&id)).await.unwrap_or(Err(not_found))
    }
}

struct Owner {
    store: Store,
    home: Home,
    world: mpsc::Sender<Notice>,
    lists: watch::Sender<Arc<Vec<CrashSummary>>>,
    /// Damaged reports that the log has named already.
    named: Vec<std::path::PathBuf>,
}

impl Owner {
    async fn run(mut self, orders: mpsc::Sender<Order>, mut inbox: mpsc::Receiver<Order>) {
        // Held for as long as this runs; its own handle keeps the inbox open as long.
        let _watcher = self.watch(orders);
        self.look().await;
        while let Some(mut order) = inbox.recv().await {
            loop {
                if let Order::Service { name, crash } = order {
                    self.write(name, *crash).await;
                }
                // One look answers for all that was seen meanwhile.
                let Ok(next) = inbox.try_recv() else { break };
                order = next;
            }
            self.look().await;
        }
    }

    /// Without it, only what the agent writes itself shows before the next start.
    fn watch(&self, orders: mpsc::Sender<Order>) -> Option<RecommendedWatcher> {
        let begun = self.store.prepare().map_err(|e| e.to_string()).and_then(|()| {
            let mut watcher = notify::recommended_watcher(move |seen: notify::Result<notify::Event>| {
                // Reading the directory is an event too.
                if seen.is_ok_and(|event| !event.kind.is_access()) {
                    // With a full inbox the directory is looked at in any case.
                    let _ = orders.try_send(Order::Look);
                }
            })
            .map_err(|e| e.to_string())?;
            watcher.watch(self.store.dir(), RecursiveMode::NonRecursive).map_err(|e| e.to_string())?;
            Ok(watcher)
        });
        begun.map_err(|e| tracing::warn!("cannot watch {}: {e}", self.store.dir().display())).ok()
    }

    async fn write(&self, service: String, crash: Crash) {
        last_words().await;
        let (store, logs, name) = (self.store.clone(), self.home.logs(), service.clone());
        let written =
            tokio::task::spawn_blocking(move || store.write(&service::report(&name, crash, &logs))).await;
        match written {
            Ok(Ok(path)) => tracing::info!(service, "crash report {}", path.display()),
            Ok(Err(e)) => tracing::error!(service, "no crash report: {e}"),
            Err(e) => tracing::error!(service, "no crash report: writing it broke off: {e}"),
        }
    }

    async fn look(&mut self) {
        let store = self.store.clone();
        let listing = match tokio::task::spawn_blocking(move || store.list()).await {
            Ok(Ok(listing)) => listing,
            Ok(Err(e)) => return tracing::warn!("{e}"),
            Err(e) => return tracing::warn!("listing the crash reports broke off: {e}"),
        };
        for damaged in listing.damaged {
            if !self.named.contains(&damaged.path) {
                tracing::warn!("{}", damaged.why);
                self.named.push(damaged.path);
            }
        }
        if **self.lists.borrow() == listing.reports {
            return;
        }
        let newest = listing.reports.iter().take(SHOWN).cloned().collect();
        self.lists.send_replace(Arc::new(listing.reports));
        // Nobody to tell it to: the agent is ending.
        let _ = self.world.send(Notice::Crashes(newest)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when the last words are written")]
async fn last_words() {
    tokio::time::sleep(LAST_WORDS).await;
}

#[cfg(test)]
mod tests;
