//! What the live data has that a restore point has not: what a restore would take away.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use steady_model::backup::TableRows;
use walkdir::WalkDir;

use crate::capture::{Exclude, open_quietly};
use crate::chosen::Chosen;
use crate::inspect;
use crate::manifest::{Manifest, RelPath, StoreFile};

/// Names that are shown of many.
const SHOWN: usize = 5;
/// Lines about tables; a plan is read by a person.
const TABLES_SHOWN: usize = 20;

/// One sentence per line. Files that no restore point holds are carried over, and are not spoken of.
pub(crate) fn lost(manifest: &Manifest, source: &Path, chosen: &Chosen, exclude: &Exclude) -> Vec<String> {
    let mut lines: Vec<String> = manifest
        .stores
        .iter()
        .filter(|s| chosen.holds(s.path.as_path()))
        .flat_map(|store| newer_rows(store, source))
        .collect();
    if lines.len() > TABLES_SHOWN {
        let more = lines.len() - TABLES_SHOWN;
        lines.truncate(TABLES_SHOWN);
        lines.push(format!("and {more} more tables have other rows now"));
    }
    let (new, changed) = files(manifest, source, chosen, exclude);
    lines.extend(named(&new, "is new since", "are new since"));
    lines.extend(named(&changed, "has changed since", "have changed since"));
    lines
}

fn newer_rows(store: &StoreFile, source: &Path) -> Vec<String> {
    let live = store.path.below(source);
    if !live.is_file() {
        return Vec::new();
    }
    let now = match open_quietly(&live).and_then(|db| inspect::rows(&db)) {
        Ok(rows) => rows,
        Err(e) => {
            return vec![format!("{}: its rows cannot be counted now: {}", store.path, inspect::reason(&e))];
        }
    };
    let then: BTreeMap<&str, u64> = store.facts.rows.iter().map(|t| (t.table.as_str(), t.rows)).collect();
    now.iter().filter_map(|t| difference(store, t, then.get(t.table.as_str()).copied())).collect()
}

fn difference(store: &StoreFile, now: &TableRows, then: Option<u64>) -> Option<String> {
    let place = format!("{}, table {}", store.path, now.table);
    match then {
        Some(then) if then == now.rows => None,
        Some(then) => Some(format!("{place}: {} rows now, {then} in the point", now.rows)),
        None if now.rows == 0 => None,
        None => Some(format!("{place}: {} rows now, and the point has no such table", now.rows)),
    }
}

/// Those that the point has not, and those that were written after it.
fn files(
    manifest: &Manifest,
    source: &Path,
    chosen: &Chosen,
    exclude: &Exclude,
) -> (Vec<String>, Vec<String>) {
    let known: BTreeMap<&RelPath, u64> = manifest.files.iter().map(|f| (&f.path, f.bytes)).collect();
    let taken = SystemTime::from(manifest.taken.0);
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    let entries = WalkDir::new(source).min_depth(1).sort_by_file_name().into_iter();
    let entries = entries.filter_entry(|e| {
        e.path()
            .strip_prefix(source)
            .map_or(true, |relative| relative.as_os_str().is_empty() || !exclude.by_pattern(relative))
    });
    for entry in entries.filter_map(Result::ok).filter(|e| e.file_type().is_file()) {
        let Some(path) = entry.path().strip_prefix(source).ok().and_then(RelPath::new) else { continue };
        if !chosen.holds(path.as_path()) || is_of_a_store(&path, manifest) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        match known.get(&path) {
            None => new.push(path.to_string()),
            Some(bytes) if *bytes != metadata.len() || metadata.modified().is_ok_and(|m| m > taken) => {
                changed.push(path.to_string());
            }
            Some(_) => {}
        }
    }
    (new, changed)
}

/// A database, or what SQLite keeps beside one.
fn is_of_a_store(path: &RelPath, manifest: &Manifest) -> bool {
    let text = path.as_path().as_os_str().to_string_lossy();
    ["", "-wal", "-shm", "-journal"].iter().any(|end| {
        text.strip_suffix(end)
            .is_some_and(|main| manifest.stores.iter().any(|s| s.path.as_path() == Path::new(main)))
    })
}

fn named(files: &[String], one: &str, many: &str) -> Option<String> {
    let first = files.first()?;
    if files.len() == 1 {
        return Some(format!("{first} {one}"));
    }
    let shown: Vec<&str> = files.iter().take(SHOWN).map(String::as_str).collect();
    let more = if files.len() > SHOWN { ", …" } else { "" };
    Some(format!("{} files {many}: {}{more}", files.len(), shown.join(", ")))
}
