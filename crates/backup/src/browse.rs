//! What a restore point holds, one folder at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use steady_model::contents::{EntryClass, PointEntry, PointFolder};
use steady_model::time::WallTime;

use crate::error::BackupError;
use crate::manifest::{DATA, DUMPS, Manifest, PlainClass, StoreClass};
use crate::repository::{Contents, Stored, StoredKind};
use crate::verify;

/// A list is for people, and a folder may hold a million.
const SHOWN: usize = 10_000;

/// `path` is below the data directory; the empty one is the directory itself.
pub(crate) fn folder(contents: &Contents, id: &str, path: &Path) -> Result<PointFolder, BackupError> {
    let manifest = verify::manifest(contents, id)?;
    let known = Known::of(&manifest, path);
    if !known.exists {
        return Err(BackupError::NotInPoint { id: id.to_owned(), path: path.display().to_string() });
    }
    // A file is looked up in the folder that holds it.
    let below = if known.itself { path.parent().unwrap_or(Path::new("")) } else { path };
    let place = Path::new(DATA).join(below);
    let mut entries: Vec<PointEntry> = contents
        .level(id, &place.to_string_lossy())?
        .iter()
        .filter_map(|stored| known.entry(stored))
        .collect();
    if path.as_os_str().is_empty() {
        entries.extend(manifest.dumps.iter().map(|dump| PointEntry {
            name: format!("{DUMPS}/{}.dump", dump.name),
            class: EntryClass::Dump,
            bytes: dump.bytes,
            files: 1,
            modified: None,
        }));
    }
    entries.sort_by(|a, b| {
        (a.class != EntryClass::Folder, &a.name).cmp(&(b.class != EntryClass::Folder, &b.name))
    });
    let more = entries.len().saturating_sub(SHOWN) as u64;
    entries.truncate(SHOWN);
    Ok(PointFolder { point: id.to_owned(), path: path.display().to_string(), entries, more })
}

/// What the manifest says of the things in one folder, by name.
struct Known {
    exists: bool,
    /// The path is that of a file or link, not of a folder.
    itself: bool,
    by_name: BTreeMap<PathBuf, Sum>,
}

struct Sum {
    class: EntryClass,
    bytes: u64,
    files: u64,
}

impl Known {
    fn of(manifest: &Manifest, path: &Path) -> Self {
        let stores = manifest.stores.iter().map(|s| (s.path.as_path(), store_class(s.class), s.bytes));
        let files = manifest.files.iter().map(|f| (f.path.as_path(), plain_class(f.class), f.bytes));
        let links = manifest.links.iter().map(|l| (l.path.as_path(), EntryClass::Link, 0));
        let folders = manifest.folders.iter().map(|f| (f.as_path(), EntryClass::Folder, 0));
        let is_root = path.as_os_str().is_empty();
        let mut known = Self { exists: is_root, itself: false, by_name: BTreeMap::new() };
        for (full, class, bytes) in folders.chain(stores).chain(files).chain(links) {
            let Ok(rest) = full.strip_prefix(path) else { continue };
            known.exists = true;
            let mut parts = rest.components();
            let Some(first) = parts.next() else {
                if class != EntryClass::Folder {
                    known.itself = true;
                    let name = full.file_name().unwrap_or_default().into();
                    known.by_name.insert(name, Sum { class, bytes, files: 1 });
                }
                continue;
            };
            let nested = parts.next().is_some();
            let class_here = if nested { EntryClass::Folder } else { class };
            let sum = known.by_name.entry(PathBuf::from(first.as_os_str())).or_insert(Sum {
                class: class_here,
                bytes: 0,
                files: 0,
            });
            sum.bytes += bytes;
            sum.files += u64::from(class != EntryClass::Folder);
        }
        known
    }

    fn entry(&self, stored: &Stored) -> Option<PointEntry> {
        let name = stored.path.file_name().unwrap_or_default();
        let sum = self.by_name.get(Path::new(name))?;
        let is_folder = matches!(stored.kind, StoredKind::Dir);
        Some(PointEntry {
            name: name.to_string_lossy().into_owned(),
            class: if is_folder { EntryClass::Folder } else { sum.class },
            bytes: sum.bytes,
            files: sum.files,
            modified: Some(WallTime(stored.meta.modified)),
        })
    }
}

fn store_class(class: StoreClass) -> EntryClass {
    match class {
        StoreClass::Wal => EntryClass::Database,
        StoreClass::Copied => EntryClass::CopiedDatabase,
        StoreClass::Chroma => EntryClass::Chroma,
    }
}

fn plain_class(class: PlainClass) -> EntryClass {
    match class {
        PlainClass::Plain => EntryClass::Plain,
        PlainClass::Log => EntryClass::Log,
        PlainClass::Index => EntryClass::Index,
    }
}
