use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ledger::{Ledger, Tracked};
use super::plain::{self, Plain};
use super::scan::{Class, Found, Scan};
use super::{Image, Store};
use crate::manifest::{DATA, Link, MANIFEST, Omission, RelPath};
use crate::repository::{Content, Entry, Meta};

/// Everything that was found, in the repository's order, and the manifest at the end.
///
/// The archiver looks one entry ahead: the manifest's folder stands between the last file and the manifest,
/// which waits for the last file to be read.
pub(crate) fn stream(
    source: PathBuf,
    scan: Scan,
    stores: Vec<Store>,
    ledger: Arc<Ledger>,
) -> impl Iterator<Item = Entry> + Send {
    let folder =
        |path: &Path, meta: &Meta| Entry { path: path.to_owned(), meta: meta.clone(), content: Content::Dir };
    let manifest_path = Path::new(MANIFEST);
    let data_folder = folder(Path::new(DATA), &scan.root);
    let manifest_folder = folder(manifest_path.parent().unwrap_or(manifest_path), &scan.root);
    let root = scan.root.clone();
    let mut stores: BTreeMap<RelPath, Store> = stores.into_iter().map(|s| (s.path.clone(), s)).collect();
    let for_data = Arc::clone(&ledger);
    let data = scan.found.into_iter().filter_map(move |found| {
        let store = stores.remove(&found.path);
        entry(&source, found, store, &for_data)
    });
    let manifest = std::iter::once_with(move || manifest_entry(&root, &ledger)).flatten();
    std::iter::once(data_folder).chain(data).chain(std::iter::once(manifest_folder)).chain(manifest)
}

fn entry(source: &Path, found: Found, store: Option<Store>, ledger: &Arc<Ledger>) -> Option<Entry> {
    let path = found.path.below(Path::new(DATA));
    match (found.class, store) {
        (Class::Dir, _) => {
            ledger.note(|m| m.folders.push(found.path));
            Some(Entry { path, meta: found.meta, content: Content::Dir })
        }
        (Class::Link(target), _) => {
            ledger.note(|m| m.links.push(Link { path: found.path }));
            Some(Entry { path, meta: found.meta, content: Content::Link(target) })
        }
        (Class::Database { .. }, Some(store)) => Some(store_entry(path, &found.meta, store, ledger)),
        // Why it is not here was noted when it failed.
        (Class::Database { .. }, None) => None,
        (Class::Plain, _) => plain_entry(source, path, found.path, ledger),
    }
}

fn store_entry(path: PathBuf, meta: &Meta, store: Store, ledger: &Arc<Ledger>) -> Entry {
    let ticket = ledger.ticket(store.path, Some(store.facts));
    let bytes = store.bytes;
    let image = store.image;
    let open = move || -> std::io::Result<Box<dyn Read + Send>> {
        let guard = Box::new(|| Ok(()));
        Ok(match image {
            Image::Pinned(pages) => Box::new(Tracked::new(pages, bytes, guard, ticket)),
            Image::Copied(copy) => {
                let file = File::open(&copy)?;
                // Its name is gone when it was read, or when this process ends.
                copy.close()?;
                Box::new(Tracked::new(file, bytes, guard, ticket))
            }
        })
    };
    Entry { path, meta: Meta { size: bytes, ..meta.clone() }, content: Content::File(Box::new(open)) }
}

fn plain_entry(source: &Path, path: PathBuf, relative: RelPath, ledger: &Arc<Ledger>) -> Option<Entry> {
    let file = relative.below(source);
    match plain::open(&file) {
        Ok(Plain::Read(meta, bytes)) => {
            let ticket = ledger.ticket(relative, None);
            let reader = Tracked::new(bytes, meta.size, Box::new(|| Ok(())), ticket);
            Some(Entry { path, meta, content: Content::File(Box::new(|| Ok(Box::new(reader)))) })
        }
        Ok(Plain::Stream(meta)) => {
            let mut ticket = ledger.ticket(relative, None);
            let before = meta.clone();
            let open = move || -> std::io::Result<Box<dyn Read + Send>> {
                let opened = File::open(&file).inspect_err(|e| ticket.failed(e.to_string()))?;
                let size = before.size;
                let guard = Box::new(move || plain::unchanged(&file, &before));
                Ok(Box::new(Tracked::new(opened.take(size), size, guard, ticket)))
            };
            Some(Entry { path, meta, content: Content::File(Box::new(open)) })
        }
        Err(e) => {
            ledger.note(|m| m.missing.push(Omission::new(relative.as_path(), e.to_string())));
            None
        }
    }
}

fn manifest_entry(root: &Meta, ledger: &Arc<Ledger>) -> Option<Entry> {
    // A manifest that cannot be written leaves the ledger unsealed, which fails the backup.
    let bytes = ledger.manifest_when_settled().ok()?;
    let meta = Meta { mode: 0o600, size: bytes.len() as u64, ..root.clone() };
    let ledger = Arc::clone(ledger);
    let open = move || -> std::io::Result<Box<dyn Read + Send>> {
        ledger.seal();
        Ok(Box::new(Cursor::new(bytes)))
    };
    Some(Entry { path: PathBuf::from(MANIFEST), meta, content: Content::File(Box::new(open)) })
}
