//! How two restore points differ, by what their manifests say.

use std::collections::BTreeMap;

use steady_model::backup::TableRows;
use steady_model::contents::{Change, FileChange, PointDiff, StoreChange, TableChange};

use crate::manifest::{Manifest, StoreFile};

/// A list is for people, and a million files may have changed.
const SHOWN: usize = 10_000;

/// `before` and `after` are the two points' ids.
pub(crate) fn between(before: (&str, &Manifest), after: (&str, &Manifest)) -> PointDiff {
    let mut unchanged = 0;
    let old = before.1.stores.iter().map(|s| (s.path.to_string(), s));
    let new = after.1.stores.iter().map(|s| (s.path.to_string(), s));
    let stores = paired(old, new).into_iter().filter_map(|(path, (old, new))| {
        let changed = store(path, old, new);
        unchanged += u64::from(changed.is_none());
        changed
    });
    let stores = stores.collect();
    let files = paired(files(before.1), files(after.1)).into_iter().filter_map(|(path, (old, new))| {
        let change = change(old.map(|f| f.hash), new.map(|f| f.hash));
        unchanged += u64::from(change.is_none());
        let bytes = |file: Option<File<'_>>| file.map(|f| f.bytes);
        Some(FileChange { path, change: change?, bytes_before: bytes(old), bytes_after: bytes(new) })
    });
    let mut files: Vec<FileChange> = files.collect();
    let more = files.len().saturating_sub(SHOWN) as u64;
    files.truncate(SHOWN);
    PointDiff { before: before.0.to_owned(), after: after.0.to_owned(), stores, files, more, unchanged }
}

/// A file, a link or a dump.
#[derive(Clone, Copy)]
struct File<'a> {
    hash: &'a str,
    bytes: u64,
}

fn files(manifest: &Manifest) -> impl Iterator<Item = (String, File<'_>)> {
    let plain = manifest.files.iter().map(|f| (f.path.to_string(), File { hash: &f.sha256, bytes: f.bytes }));
    // Where a link leads is not in the manifest.
    let links = manifest.links.iter().map(|l| (l.path.to_string(), File { hash: "", bytes: 0 }));
    let dumps = manifest.dumps.iter().map(|d| (d.place(), File { hash: &d.sha256, bytes: d.bytes }));
    plain.chain(links).chain(dumps)
}

type Paired<T> = BTreeMap<String, (Option<T>, Option<T>)>;

fn paired<T>(
    before: impl Iterator<Item = (String, T)>,
    after: impl Iterator<Item = (String, T)>,
) -> Paired<T> {
    let mut all: Paired<T> = before.map(|(path, value)| (path, (Some(value), None))).collect();
    for (path, value) in after {
        all.entry(path).or_insert((None, None)).1 = Some(value);
    }
    all
}

fn change<T: PartialEq>(before: Option<T>, after: Option<T>) -> Option<Change> {
    match (before, after) {
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(before), Some(after)) => (before != after).then_some(Change::Changed),
        (None, None) => None,
    }
}

fn store(path: String, before: Option<&StoreFile>, after: Option<&StoreFile>) -> Option<StoreChange> {
    let change = change(before.map(|s| &s.sha256), after.map(|s| &s.sha256))?;
    let rows = |store: Option<&StoreFile>| {
        let rows = store.map(|s| s.facts.rows.clone()).unwrap_or_default();
        rows.into_iter().map(|TableRows { table, rows }| (table, rows)).collect::<Vec<_>>()
    };
    let tables = paired(rows(before).into_iter(), rows(after).into_iter()).into_iter();
    let tables = tables
        .filter(|(_, (before, after))| before != after)
        .map(|(table, (rows_before, rows_after))| TableChange { table, rows_before, rows_after });
    Some(StoreChange {
        path,
        change,
        bytes_before: before.map(|s| s.bytes),
        bytes_after: after.map(|s| s.bytes),
        tables: tables.collect(),
    })
}
