//! Trees of files: how large, and whether two are the same.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use walkdir::WalkDir;

/// Bytes on the disk; a file with several names counts once.
pub fn size(root: &Path) -> anyhow::Result<u64> {
    let mut seen = std::collections::HashSet::new();
    let mut bytes = 0;
    for entry in WalkDir::new(root) {
        let found = entry?.metadata()?;
        if found.is_file() && seen.insert(found.ino()) {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// That `copy` has each file of `source`, byte for byte but for `COUNTERS`, and no other.
pub fn ensure_same(source: &Path, copy: &Path) -> anyhow::Result<()> {
    let files = files(source)?;
    for file in &files {
        let other = copy.join(file);
        ensure!(same(&source.join(file), &other)?, "{} was restored differently", other.display());
    }
    ensure!(
        self::files(copy)?.len() == files.len(),
        "{} has files that {} has not",
        copy.display(),
        source.display()
    );
    Ok(())
}

/// Without what belongs to SQLite: a reader of a database that nobody has open leaves empty ones behind.
fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(root) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && !name.ends_with("-wal") && !name.ends_with("-shm") {
            found.push(entry.path().strip_prefix(root)?.to_owned());
        }
    }
    Ok(found)
}

fn same(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("{} is not there", path.display()));
    let (mut one, mut other) = (open(one)?, open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut is_first = true;
    loop {
        let count = one.read(&mut left)?;
        let (read, other_read) = (left.get_mut(..count), right.get_mut(..count));
        let (Some(read), Some(other_read)) = (read, other_read) else { return Ok(false) };
        other.read_exact(other_read)?;
        if count == 0 {
            return Ok(true);
        }
        if is_first && read.starts_with(b"SQLite format 3\0") {
            for range in COUNTERS {
                blank(read, range, other_read);
            }
        }
        if read != other_read {
            return Ok(false);
        }
        is_first = false;
    }
}

/// In the header of a database: how often it and its schema were changed, and by which SQLite. A copy by SQLite's own
/// backup counts as a change.
const COUNTERS: [Range<usize>; 3] = [24..28, 40..44, 92..100];

fn blank(one: &mut [u8], range: Range<usize>, other: &mut [u8]) {
    for bytes in [one, other] {
        if let Some(bytes) = bytes.get_mut(range.clone()) {
            bytes.fill(0);
        }
    }
}
