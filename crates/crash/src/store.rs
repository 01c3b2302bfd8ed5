use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use steady_disk::{DiskError, create_private_dir, write_atomic};
use steady_model::crash::{self, CrashReport, CrashSummary};

/// No report of ours is larger: 200 lines of 4 kB, an environment, a backtrace.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the crash report {} is damaged: {source}; remove it", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("the crash report {} is larger than any that Steady writes; remove it", path.display())]
    TooLarge { path: PathBuf },
    #[error("the crash report {} was written by a newer Steady (version {version}, this one reads {}); update Steady", path.display(), crash::VERSION)]
    Newer { path: PathBuf, version: u32 },
    #[error("\"{id}\" is no id of a crash report; `steady crashes` lists them")]
    NoId { id: String },
    #[error("there is no crash report {id}; `steady crashes` lists them")]
    NotFound { id: String },
}

/// What is in the store: a damaged file is named and hides no other.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub reports: Vec<CrashSummary>,
    pub damaged: Vec<Damaged>,
}

#[derive(Debug)]
pub struct Damaged {
    pub path: PathBuf,
    pub why: CrashError,
}

/// The crash reports of one home. Blocking; several processes may write.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    pub fn of(home: &Path) -> Self {
        Self { dir: home.join("crashes") }
    }

    /// Gets one file per report; made with the first.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the directory, for a watcher that comes before the first report.
    pub fn prepare(&self) -> Result<(), CrashError> {
        Ok(create_private_dir(&self.dir)?)
    }

    /// Keeps a report, and lets go of the oldest ones beyond the bounds.
    pub fn write(&self, report: &CrashReport) -> Result<PathBuf, CrashError> {
        if !crash::is_id(&report.id) {
            return Err(CrashError::NoId { id: report.id.clone() });
        }
        self.prepare()?;
        let path = self.path(&report.id);
        let bytes = serde_json::to_vec_pretty(report)
            .map_err(|source| CrashError::Damaged { path: path.clone(), source })?;
        write_atomic(&path, &bytes, 0o600)?;
        self.prune()?;
        Ok(path)
    }

    /// A store that was never written to is empty.
    pub fn list(&self) -> Result<Listing, CrashError> {
        let at = |source| CrashError::Io { action: "list", path: self.dir.clone(), source };
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
            Err(e) => return Err(at(e)),
        };
        let mut listing = Listing::default();
        for entry in entries {
            let path = entry.map_err(at)?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_none_or(|e| e != "json") || !crash::is_id(id) {
                continue;
            }
            match read(&path) {
                Ok(report) => listing.reports.push(report.summary()),
                // Pruned by another process since it was listed.
                Err(CrashError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(why) => listing.damaged.push(Damaged { path, why }),
            }
        }
        listing.reports.sort_by(|a, b| b.id.cmp(&a.id));
        listing.damaged.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// One report by its id; anything that is no id never reaches the file system.
    pub fn read(&self, id: &str) -> Result<CrashReport, CrashError> {
        if !crash::is_id(id) {
            return Err(CrashError::NoId { id: id.to_owned() });
        }
        match read(&self.path(id)) {
            Err(CrashError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(CrashError::NotFound { id: id.to_owned() })
            }
            other => other,
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn prune(&self) -> Result<(), CrashError> {
        for old in crash::surplus(&self.list()?.reports) {
            let path = self.path(&old.id);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CrashError::Io { action: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<CrashReport, CrashError> {
    let at = |source| CrashError::Io { action: "read", path: path.to_owned(), source };
    if fs::metadata(path).map_err(at)?.len() > LARGEST {
        return Err(CrashError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read(path).map_err(at)?;
    let damaged = |source| CrashError::Damaged { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    // Asked first: what a newer one holds need not be readable here.
    let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if version > u64::from(crash::VERSION) {
        let version = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(CrashError::Newer { path: path.to_owned(), version });
    }
    serde_json::from_value(value).map_err(damaged)
}
