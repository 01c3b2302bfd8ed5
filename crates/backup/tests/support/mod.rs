//! A data directory in use, and Steady's home beside it.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod copies;
pub mod disk;
pub mod postgres;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use steady_backup::{BackupError, Backups, BoxFuture, EngineCommand, Services};
use steady_model::backup::{PointKind, RestorePoint};
use steady_model::config;
use steady_model::key::KeptIn;

pub struct World {
    pub dir: tempfile::TempDir,
    pub exclude: Vec<String>,
    pub capture: config::Capture,
    pub verify: config::Verification,
    pub keep: config::Keep,
    pub key: KeptIn,
    pub priority: config::Priority,
    /// Where the data are, when not in `dir`.
    pub place: Option<PathBuf>,
    /// Where the repository is, when not in the home.
    pub kept_at: Option<PathBuf>,
}

pub fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    World {
        dir,
        exclude: vec![".sync_*".into(), "*.tmp".into()],
        capture: config::Capture::default(),
        verify: config::Verification::default(),
        keep: config::Keep::default(),
        key: KeptIn::File,
        priority: config::Priority::default(),
        place: None,
        kept_at: None,
    }
}

impl World {
    pub fn data(&self) -> PathBuf {
        self.place.clone().unwrap_or_else(|| self.dir.path().join("data"))
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn repository(&self) -> PathBuf {
        self.kept_at.clone().unwrap_or_else(|| self.home().join("backups/repository"))
    }

    pub fn config(&self) -> config::Backup {
        config::Backup {
            source: self.data(),
            exclude: self.exclude.clone(),
            repository: self.kept_at.clone(),
            services: vec!["app".into()],
            schedule: None,
            stale_after: Duration::from_hours(36),
            capture: self.capture.clone(),
            verify: self.verify.clone(),
            drill: config::Drill::default(),
            keep: self.keep.clone(),
            copies: Vec::new(),
            key: self.key,
            priority: self.priority,
            before: None,
            import: Vec::new(),
        }
    }

    pub fn backups(&self) -> Backups {
        let engine = EngineCommand { program: env!("CARGO_BIN_EXE_steady-engine").into(), args: Vec::new() };
        Backups::open(&self.home(), &self.config(), engine).unwrap()
    }

    pub fn restic(&self, args: &[&str]) -> String {
        let out = Command::new("restic")
            .args(["--no-cache", "--no-lock", "--repo"])
            .arg(self.repository())
            .arg("--password-file")
            .arg(self.home().join("backups/password"))
            .args(args)
            .output()
            .expect("Debian's restic is needed: apt-get install restic");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "restic {args:?}: {text}{}", String::from_utf8_lossy(&out.stderr));
        text
    }

    /// The data of a point as plain restic restores it.
    pub fn restic_restore(&self, id: &str) -> PathBuf {
        let into = self.dir.path().join(format!("restic-{id}"));
        self.restic(&["restore", id, "--verify", "--target", into.to_str().unwrap()]);
        into.join("data")
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.data().join(name)).unwrap()
    }

    /// What lies beside the data directory: nothing of an unfinished restore may stay.
    pub fn beside(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n.starts_with("data."));
        names.sort();
        names
    }
}

/// What a person reads of an error: one line, short, and nothing that only the library's authors can use.
pub fn sentence(error: &BackupError) -> String {
    let text = error.to_string();
    assert!(text.lines().count() == 1 && text.len() < 600, "no sentence: {text}");
    for sign in ["acktrace", "RusticError", "kind:", "caused by", "github.com", "Os {", "::"] {
        assert!(!text.contains(sign), "{sign:?} is for authors: {text}");
    }
    text
}

pub async fn take(backups: &Backups) -> RestorePoint {
    backups.take(PointKind::Manual, |_| {}).await.unwrap()
}

pub fn wal_database(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "NORMAL").unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db
}

/// A small real program's storage: `notes.db` in WAL mode, held open while it runs.
pub struct App {
    data: PathBuf,
    running: Mutex<Option<Connection>>,
    /// Newest schema it understands, as real programs refuse data from their own future.
    pub schema: i64,
    pub stops: bool,
}

impl App {
    pub fn started(data: &Path) -> Self {
        let app = Self { data: data.to_owned(), running: Mutex::new(None), schema: 1, stops: true };
        let db = wal_database(&data.join("notes.db"));
        db.execute_batch("CREATE TABLE IF NOT EXISTS notes(text TEXT)").unwrap();
        drop(db);
        app.open().unwrap();
        app
    }

    fn open(&self) -> Result<(), String> {
        let db = wal_database(&self.data.join("notes.db"));
        let schema: i64 =
            db.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(|e| e.to_string())?;
        if schema > self.schema {
            return Err(format!("schema {schema} is newer than this program"));
        }
        db.query_row("SELECT count(*) FROM notes", [], |_| Ok(())).map_err(|e| e.to_string())?;
        *self.running.lock().unwrap() = Some(db);
        Ok(())
    }

    pub fn is_running(&self) -> bool {
        self.running.lock().unwrap().is_some()
    }

    pub fn add(&self, text: &str) {
        let running = self.running.lock().unwrap();
        running.as_ref().unwrap().execute("INSERT INTO notes VALUES (?1)", [text]).unwrap();
    }

    pub fn set_schema(&self, version: i64) {
        let running = self.running.lock().unwrap();
        running.as_ref().unwrap().pragma_update(None, "user_version", version).unwrap();
    }

    /// As the program itself sees it.
    pub fn notes(&self) -> Vec<String> {
        notes(self.running.lock().unwrap().as_ref().unwrap())
    }
}

pub fn notes(db: &Connection) -> Vec<String> {
    let mut all = db.prepare("SELECT text FROM notes ORDER BY rowid").unwrap();
    all.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

impl Services for App {
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        assert_eq!(names, ["app"]);
        Box::pin(async {
            if !self.stops {
                return Err("app (pid 1) survived SIGKILL".to_owned());
            }
            self.running.lock().unwrap().take();
            Ok(())
        })
    }

    fn start_and_wait_healthy<'a>(&'a self, _names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { if self.is_running() { Ok(()) } else { self.open() } })
    }
}

/// One of the two manifests of a point, read by restic.
pub fn manifest(world: &World, id: &str, which: &str) -> serde_json::Value {
    serde_json::from_str(&world.restic(&["dump", id, which])).unwrap()
}
