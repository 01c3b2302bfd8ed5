//! A handful of connections to one store, used from async code without blocking the reactor.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::error;

use super::connection::{Origin, Spec, StoreError, is_damage};
use crate::clock;

#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: &'static Spec,
    data: PathBuf,
    idle: Mutex<Vec<Connection>>,
    connections: u32,
    permits: Arc<Semaphore>,
    /// A statement found the file broken.
    damaged: AtomicBool,
    /// Told of that, to act.
    alarm: Arc<Notify>,
}

impl Database {
    /// Opens the first connection at once, so that a broken store is found at start: see
    /// [`Spec::open_or_begin_anew`].
    pub fn open(
        spec: &'static Spec,
        data: &Path,
        connections: u16,
        alarm: &Arc<Notify>,
    ) -> Result<Self, StoreError> {
        let idle = Mutex::new(vec![spec.open_or_begin_anew(data, clock::now())?]);
        Ok(Self(Arc::new(Inner {
            spec,
            data: data.to_owned(),
            idle,
            connections: u32::from(connections),
            permits: Arc::new(Semaphore::new(usize::from(connections))),
            damaged: AtomicBool::new(false),
            alarm: Arc::clone(alarm),
        })))
    }

    pub fn spec(&self) -> &'static Spec {
        self.0.spec
    }

    pub fn is_at(&self, file: &Path) -> bool {
        self.0.spec.path(&self.0.data) == file
    }

    /// Marks the file as damaged, as another connection found it.
    pub fn distrust(&self, how: &str) {
        self.0.found_damaged(how);
    }

    /// Whether a statement found the file broken and nobody has mended it since.
    pub fn is_damaged(&self) -> bool {
        self.0.damaged.load(Ordering::Acquire)
    }

    /// Waits for the work under way, then closes every connection: the last one to close moves all rows from the
    /// `-wal` into the file. Later calls are refused.
    pub async fn close(&self) {
        let everyone = self.0.permits.acquire_many(self.0.connections).await;
        self.0.permits.close();
        drop(everyone);
        let idle = std::mem::take(&mut *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody to tell when the runtime is ending already.
        let _ = tokio::task::spawn_blocking(move || drop(idle)).await;
    }

    /// Sets a damaged store aside and begins it anew, between two pieces of work. Only for what can be derived.
    pub async fn begin_anew(&self) -> Result<(), StoreError> {
        let everyone = Arc::clone(&self.0.permits).acquire_many_owned(self.0.connections);
        let everyone = everyone.await.map_err(|_| self.interrupted())?;
        self.blocking(everyone, |inner| {
            let mut idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.clear();
            let aside = inner.spec.set_aside(&inner.data, clock::now())?;
            error!(target: "brain.stores",
                "the store {} is damaged; it is set aside as {} and built again from the vault",
                inner.spec.file, aside.display());
            idle.push(inner.spec.open(&inner.data)?);
            inner.damaged.store(false, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Reads the whole file for damage that no statement has met yet; it is then marked, and the alarm told.
    pub async fn examine(&self) -> Result<(), StoreError> {
        let found: String =
            self.query(|db| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))).await?;
        if found != "ok" {
            self.0.found_damaged(&found);
        }
        Ok(())
    }

    /// Runs `work` with a connection of its own; callers beyond the pool's size wait without a thread.
    pub async fn query<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| self.interrupted())?;
        self.blocking(permit, |inner| {
            if inner.spec.origin == Origin::Here && inner.damaged.load(Ordering::Acquire) {
                let (path, remedy) = (inner.spec.path(&inner.data), inner.spec.remedy());
                return Err(StoreError::Damaged { path, remedy });
            }
            let mut connection = inner.take()?;
            let result = work(&mut connection);
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result.map_err(|e| {
                if is_damage(&e) {
                    inner.found_damaged(&e.to_string());
                }
                inner.spec.refused(&inner.data)(e)
            })
        })
        .await
    }

    async fn blocking<T, F>(&self, permit: OwnedSemaphorePermit, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let run = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: a client which hangs up must not free a busy slot.
            let _permit = permit;
            work(&inner)
        });
        run.await.map_err(|_| self.interrupted())?
    }

    fn interrupted(&self) -> StoreError {
        StoreError::Interrupted { path: self.0.spec.path(&self.0.data) }
    }
}

impl Inner {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.spec.open(&self.data), Ok)
    }

    fn found_damaged(&self, how: &str) {
        if !self.damaged.swap(true, Ordering::AcqRel) {
            error!(target: "brain.stores", "the store {} is damaged: {how}; {}",
                self.spec.path(&self.data).display(), self.spec.remedy());
        }
        self.alarm.notify_one();
    }
}
