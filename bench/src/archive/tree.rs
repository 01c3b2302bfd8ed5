//! Trees of files: how large, and whether two are the same.

use std::fs::File;
use std::io::Read;
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

/// That `copy` has each file of `source`, byte for byte, and no other.
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
    loop {
        let count = one.read(&mut left)?;
        let read = right.get_mut(..count).context("the buffers are of one size")?;
        other.read_exact(read)?;
        if count == 0 {
            return Ok(true);
        }
        if left.get(..count) != Some(&*read) {
            return Ok(false);
        }
    }
}
