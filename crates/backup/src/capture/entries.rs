use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::ledger::{Ledger, Ticket, Tracked, What};
use super::plain::{self, Bytes, Plain};
use super::scan::{Class, Found, Scan};
use super::{Image, Store};
use crate::error::BackupError;
use crate::manifest::{CUT, DATA, DUMPS, Dump, Link, MANIFEST, Omission, PlainClass, RelPath};
use crate::repository::{Content, Entry, Meta};

/// All that goes into a snapshot.
pub(crate) struct Sources {
    pub scan: Scan,
    pub stores: Vec<Store>,
    /// Copies of files that are not read in place.
    pub copies: BTreeMap<RelPath, TempPath>,
    pub dumps: Vec<(Dump, Arc<TempPath>)>,
}

/// What is known at the cut, everything that was found in the repository's order, and the manifest at the end.
///
/// The archiver looks one entry ahead: the manifest's folder stands between the last file and the manifest,
/// which waits for the last file to be read.
pub(crate) fn stream(
    source: &Path,
    sources: Sources,
    ledger: &Arc<Ledger>,
) -> Result<impl Iterator<Item = Entry> + Send + use<>, BackupError> {
    let root = Meta { attributes: Vec::new(), ..sources.scan.root.clone() };
    let known = ledger.at_the_cut().map_err(|source| BackupError::Format { path: CUT.into(), source })?;
    let cut = [folder_of(CUT, &root), held(CUT, &root, known)];
    let data_folder = Entry { path: DATA.into(), meta: sources.scan.root.clone(), content: Content::Dir };
    let dumps_folder = (!sources.dumps.is_empty()).then(|| Entry {
        path: DUMPS.into(),
        meta: own(&root),
        content: Content::Dir,
    });
    let manifest_folder = folder_of(MANIFEST, &root);
    let dumps: Vec<Entry> =
        sources.dumps.into_iter().map(|(dump, copy)| dump_entry(&root, dump, &copy, ledger)).collect();
    let mut opener = Opener {
        source: source.to_owned(),
        stores: sources.stores.into_iter().map(|s| (s.path.clone(), s)).collect(),
        copies: sources.copies,
        aliases: sources.scan.aliases,
        shared: BTreeMap::new(),
        ledger: Arc::clone(ledger),
    };
    let data = sources.scan.found.into_iter().filter_map(move |found| opener.entry(found));
    let for_manifest = Arc::clone(ledger);
    let manifest = std::iter::once_with(move || manifest_entry(&root, &for_manifest)).flatten();
    Ok(cut
        .into_iter()
        .chain(std::iter::once(data_folder))
        .chain(data)
        .chain(dumps_folder)
        .chain(dumps)
        .chain(std::iter::once(manifest_folder))
        .chain(manifest))
}

/// As private as the data directory, whoever restores it.
fn own(root: &Meta) -> Meta {
    Meta { mode: 0o700, ..root.clone() }
}

fn folder_of(file: &str, root: &Meta) -> Entry {
    let path = Path::new(file).parent().unwrap_or(Path::new(file)).to_owned();
    Entry { path, meta: root.clone(), content: Content::Dir }
}

fn held(path: &str, root: &Meta, bytes: Vec<u8>) -> Entry {
    let meta = Meta { mode: 0o600, links: 1, size: bytes.len() as u64, ..root.clone() };
    Entry { path: path.into(), meta, content: Content::File(Box::new(|| Ok(Box::new(Cursor::new(bytes))))) }
}

fn dump_entry(root: &Meta, dump: Dump, copy: &Arc<TempPath>, ledger: &Arc<Ledger>) -> Entry {
    let path = PathBuf::from(dump.place());
    let bytes = dump.bytes;
    let meta = Meta { mode: 0o600, links: 1, size: bytes, modified: dump.taken.0, ..root.clone() };
    let shown = RelPath::new(&path);
    let copy = Arc::clone(copy);
    let ticket = shown.map(|shown| ledger.ticket(shown, What::Dump(dump)));
    let open = move || -> std::io::Result<Box<dyn Read + Send>> {
        let ticket = ticket.ok_or_else(|| std::io::Error::other("its name leads out of its folder"))?;
        Ok(Box::new(Tracked::new(File::open(copy.as_ref())?, bytes, Box::new(|| Ok(())), ticket)))
    };
    Entry { path, meta, content: Content::File(Box::new(open)) }
}

/// Makes an entry of what was found; each file is opened when its turn comes.
struct Opener {
    source: PathBuf,
    stores: BTreeMap<RelPath, Store>,
    copies: BTreeMap<RelPath, TempPath>,
    aliases: BTreeMap<RelPath, RelPath>,
    /// What was read of a file that has more names: each of them shows the same.
    shared: BTreeMap<RelPath, (Meta, Option<Bytes>)>,
    ledger: Arc<Ledger>,
}

impl Opener {
    fn entry(&mut self, found: Found) -> Option<Entry> {
        let path = found.path.below(Path::new(DATA));
        match found.class {
            Class::Dir => {
                self.ledger.note(|m| m.folders.push(found.path));
                Some(Entry { path, meta: found.meta, content: Content::Dir })
            }
            Class::Link(target) => {
                self.ledger.note(|m| m.links.push(Link { path: found.path }));
                Some(Entry { path, meta: found.meta, content: Content::Link(target) })
            }
            Class::Database { .. } => {
                // Why it is not here was noted when it failed.
                let store = self.stores.remove(&found.path)?;
                Some(store_entry(path, &found.meta, store, &self.ledger))
            }
            Class::Index => self.copied(path, found),
            Class::Plain => self.plain(path, found, PlainClass::Plain),
            Class::Log => self.plain(path, found, PlainClass::Log),
        }
    }

    fn copied(&mut self, path: PathBuf, found: Found) -> Option<Entry> {
        // A file without a copy was named when its group was copied.
        let copy = self.copies.remove(&found.path)?;
        let size = std::fs::metadata(&copy).map_or(found.meta.size, |m| m.len());
        let what = What::Plain { class: PlainClass::Index, same_as: None };
        let ticket = self.ledger.ticket(found.path, what);
        let open = move || -> std::io::Result<Box<dyn Read + Send>> {
            let file = File::open(&copy)?;
            copy.close()?;
            Ok(Box::new(Tracked::new(file, size, Box::new(|| Ok(())), ticket)))
        };
        let meta = Meta { size, links: 1, ..found.meta };
        Some(Entry { path, meta, content: Content::File(Box::new(open)) })
    }

    fn plain(&mut self, path: PathBuf, found: Found, class: PlainClass) -> Option<Entry> {
        let file = found.path.below(&self.source);
        let grows = class == PlainClass::Log;
        let leader = self.aliases.get(&found.path).cloned();
        let read = match leader.as_ref().map(|leader| self.shared.get(leader).cloned()) {
            Some(Some((meta, Some(bytes)))) => Ok(Plain::Read(meta, bytes)),
            Some(Some((meta, None))) => Ok(Plain::Stream(meta)),
            Some(None) => Err(std::io::Error::other("its other name could not be read")),
            None => plain::open(&file, grows),
        };
        let relative = found.path;
        let (meta, bytes) = match read {
            Ok(Plain::Read(meta, bytes)) => (meta, Some(bytes)),
            Ok(Plain::Stream(meta)) => (meta, None),
            Err(e) => {
                self.ledger.note(|m| m.missing.push(Omission::new(relative.as_path(), e.to_string())));
                return None;
            }
        };
        if leader.is_none() && meta.links > 1 && self.aliases.values().any(|leader| *leader == relative) {
            self.shared.insert(relative.clone(), (meta.clone(), bytes.clone()));
        }
        let ticket = self.ledger.ticket(relative, What::Plain { class, same_as: leader });
        let size = meta.size;
        let content = match bytes {
            Some(bytes) => {
                let reader = Tracked::new(bytes, size, Box::new(|| Ok(())), ticket);
                Content::File(Box::new(|| Ok(Box::new(reader))))
            }
            None => Content::File(streamed(file, meta.clone(), grows, ticket)),
        };
        Some(Entry { path, meta, content })
    }
}

fn streamed(file: PathBuf, before: Meta, grows: bool, mut ticket: Ticket) -> crate::repository::Opener {
    Box::new(move || {
        let opened = plain::open_file(&file).inspect_err(|e| ticket.failed(e.to_string()))?;
        let size = before.size;
        let guard = Box::new(move || plain::unchanged(&file, &before, grows));
        Ok(Box::new(Tracked::new(opened.take(size), size, guard, ticket)))
    })
}

fn store_entry(path: PathBuf, meta: &Meta, store: Store, ledger: &Arc<Ledger>) -> Entry {
    let ticket = ledger.ticket(store.path, What::Store(store.class, store.facts));
    let bytes = store.bytes;
    let image = store.image;
    let open = move || -> std::io::Result<Box<dyn Read + Send>> {
        let guard = Box::new(|| Ok(()));
        Ok(match image {
            Image::Pinned(pages) => Box::new(Tracked::new(pages, bytes, guard, ticket)),
            // The copy goes with the last of its readers, or when this process ends.
            Image::Copied(copy) => Box::new(Tracked::new(File::open(copy.as_ref())?, bytes, guard, ticket)),
        })
    };
    Entry { path, meta: Meta { size: bytes, ..meta.clone() }, content: Content::File(Box::new(open)) }
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
