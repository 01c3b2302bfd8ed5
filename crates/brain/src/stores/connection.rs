//! The one way to open a store: pragmas, migrations, and a small pool that never blocks the reactor.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::Semaphore;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A store file: its name, its schema as a list of steps, and what to do when it is broken.
#[derive(Debug)]
pub struct Spec {
    pub file: &'static str,
    /// Step `n` leads from `user_version` n to n + 1. Steps are never changed, only added.
    pub migrations: &'static [&'static str],
    pub remedy: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the store {}: {source}; {remedy}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error, remedy: &'static str },
    #[error("cannot migrate the store {} from version {from}: {source}; {remedy}", path.display())]
    Migrate { path: PathBuf, from: usize, source: rusqlite::Error, remedy: &'static str },
    #[error("the store {} has version {found}, this brain knows up to {known}; use the newer brain which wrote it", path.display())]
    TooNew { path: PathBuf, found: usize, known: usize },
    #[error("the store {} refused a statement: {source}; {remedy}", path.display())]
    Statement { path: PathBuf, source: rusqlite::Error, remedy: &'static str },
    #[error("work on the store {} was cut off by the end of the program; try again", path.display())]
    Interrupted { path: PathBuf },
}

impl Spec {
    pub fn path(&self, data: &Path) -> PathBuf {
        data.join(self.file)
    }

    /// Opens the store under `data`, created and migrated as needed.
    pub fn open(&self, data: &Path) -> Result<Connection, StoreError> {
        let path = self.path(data);
        let fail = |source| StoreError::Open { path: path.clone(), source, remedy: self.remedy };
        // NO_MUTEX: a connection is used by one thread at a time, as the pool hands it out.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000;",
            )
            .map_err(fail)?;
        self.migrate(&mut connection, &path)?;
        Ok(connection)
    }

    fn migrate(&self, connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
        let known = self.migrations.len();
        let mut version = self.checked_version(connection, path)?;
        while version < known {
            let from = version;
            let fail =
                |source| StoreError::Migrate { path: path.to_owned(), from, source, remedy: self.remedy };
            let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
            // Another process may have taken this step while the lock was awaited.
            version = self.checked_version(&step, path)?;
            if let Some(sql) = self.migrations.get(version) {
                step.execute_batch(sql).map_err(fail)?;
                version += 1;
                step.pragma_update(None, "user_version", version.to_string()).map_err(fail)?;
            }
            step.commit().map_err(fail)?;
        }
        Ok(())
    }

    fn checked_version(&self, connection: &Connection, path: &Path) -> Result<usize, StoreError> {
        let found: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|source| StoreError::Open { path: path.to_owned(), source, remedy: self.remedy })?;
        let (found, known) = (usize::try_from(found).unwrap_or(usize::MAX), self.migrations.len());
        if found > known {
            return Err(StoreError::TooNew { path: path.to_owned(), found, known });
        }
        Ok(found)
    }

    /// Says where and what to do for a statement which failed on this store.
    pub fn refused(&self, data: &Path) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let (path, remedy) = (self.path(data), self.remedy);
        move |source| StoreError::Statement { path: path.clone(), source, remedy }
    }
}

/// A handful of connections to one store, used from async code on blocking threads.
#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: &'static Spec,
    data: PathBuf,
    idle: Mutex<Vec<Connection>>,
    connections: u32,
    permits: Arc<Semaphore>,
}

impl Database {
    /// Opens the first connection at once, so that a broken store is found at start.
    pub fn open(spec: &'static Spec, data: &Path, connections: u16) -> Result<Self, StoreError> {
        let idle = Mutex::new(vec![spec.open(data)?]);
        let permits = Arc::new(Semaphore::new(usize::from(connections)));
        let connections = u32::from(connections);
        Ok(Self(Arc::new(Inner { spec, data: data.to_owned(), idle, connections, permits })))
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

    /// Runs `work` with a connection of its own; callers beyond the pool's size wait without a thread.
    pub async fn call<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let interrupted = || E::from(StoreError::Interrupted { path: self.0.spec.path(&self.0.data) });
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| interrupted())?;
        let inner = Arc::clone(&self.0);
        let run = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: a client which hangs up must not free a busy slot.
            let _permit = permit;
            let mut connection = inner.take()?;
            let result = work(&mut connection);
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        });
        run.await.map_err(|_| interrupted())?
    }

    /// `call` for work that can only fail in SQLite.
    pub async fn query<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let refused = self.0.spec.refused(&self.0.data);
        self.call(move |connection| work(connection).map_err(refused)).await
    }
}

impl Inner {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.spec.open(&self.data), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "CREATE TABLE a(x);";
    const OLD: Spec = Spec { file: "t.db", migrations: &[V1], remedy: "restore it" };
    const NEW: Spec =
        Spec { file: "t.db", migrations: &[V1, "ALTER TABLE a ADD COLUMN y;"], remedy: "restore it" };

    #[test]
    fn every_connection_has_the_plans_pragmas() {
        let dir = tempfile::tempdir().unwrap();
        let db = NEW.open(dir.path()).unwrap();
        let text = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, String>(0)).unwrap();
        let number = |name: &str| db.pragma_query_value(None, name, |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!(
            (number("busy_timeout"), number("wal_autocheckpoint"), number("synchronous")),
            (5000, 1000, 1)
        );
    }

    #[test]
    fn an_old_store_is_migrated_with_its_rows_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        OLD.open(dir.path()).unwrap().execute("INSERT INTO a VALUES (1)", []).unwrap();
        let db = NEW.open(dir.path()).unwrap();
        assert_eq!(db.query_row("SELECT count(*), max(y) IS NULL FROM a", [], |r| r.get(0)), Ok(1));
        let err = OLD.open(dir.path()).unwrap_err();
        assert!(matches!(err, StoreError::TooNew { found: 2, known: 1, .. }), "{err}");
    }

    #[test]
    fn a_file_that_is_no_database_is_named_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t.db"), "not a database, and long enough to be looked at").unwrap();
        let err = NEW.open(dir.path()).unwrap_err().to_string();
        assert!(err.contains("t.db") && err.contains("restore it"), "{err}");
    }
}
