//! Repositories that somebody else wrote: their names must not lead a restore out of its folder.

use std::io::Cursor;
use std::path::Path;

use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

use super::node::to_node;
use super::source::Open;
use super::*;
use crate::chosen::Chosen;
use crate::events::Events;
use crate::stage;

/// An entry whose node says another name than its path.
struct Forged {
    path: &'static str,
    name: &'static str,
    content: fn() -> Content,
}

struct Tree(Vec<Forged>);

impl ReadSource for Tree {
    type Open = Open;
    type Iter = Box<dyn Iterator<Item = RusticResult<ReadSourceEntry<Open>>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let made: Vec<_> = self.0.iter().map(forge).map(Ok).collect();
        Box::new(made.into_iter())
    }
}

fn forge(forged: &Forged) -> ReadSourceEntry<Open> {
    let meta = Meta {
        mode: 0o755,
        modified: Timestamp::UNIX_EPOCH,
        uid: 0,
        gid: 0,
        device: 0,
        inode: 0,
        links: 1,
        size: 1,
        attributes: Vec::new(),
    };
    let content = (forged.content)();
    let mut node = to_node(Path::new(forged.path), &meta, &content);
    forged.name.clone_into(&mut node.name);
    let open = match content {
        Content::File(opener) => Some(Open(opener)),
        Content::Dir | Content::Link(_) => None,
    };
    ReadSourceEntry { path: forged.path.into(), node, open }
}

fn dir() -> Content {
    Content::Dir
}

fn file() -> Content {
    Content::File(Box::new(|| Ok(Box::new(Cursor::new(b"evil".to_vec())))))
}

fn link() -> Content {
    Content::Link("../outside".into())
}

/// Restores the forged point and says why that was refused; whatever lies outside must be untouched.
fn refusal(entries: Vec<Forged>) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("repository");
    Repository::init(&at, "secret", 1).unwrap();
    let Repository { open, .. } =
        Repository::open(&at, "secret", &KeyPlace::File("password".into())).unwrap();
    let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
    let repo = open.to_indexed_ids().unwrap();
    let saved = repo.archive(&BackupOptions::default(), &Tree(entries), snapshot, &["/x".into()]).unwrap();
    let id = hex_id(&saved);
    let room = dir.path().join("room");
    std::fs::create_dir_all(room.join("outside")).unwrap();
    let contents =
        Repository::open(&at, "secret", &KeyPlace::File("password".into())).unwrap().contents().unwrap();
    let done = stage::stage(&contents, &id, &room.join("into"), &Chosen::default(), &Events::default());
    let beside: Vec<_> = std::fs::read_dir(&room).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(beside.iter().all(|n| n == "outside" || n == "into"), "it wrote {beside:?}");
    assert_eq!(std::fs::read_dir(room.join("outside")).unwrap().count(), 0, "it wrote through a link");
    assert!(!Path::new("/steady-evil").exists());
    done.err().map(|e| e.to_string())
}

#[test]
fn names_that_climb_or_are_absolute_are_refused() {
    let data = || Forged { path: "data", name: "data", content: dir };
    for name in ["..", "../evil", "../../evil", "/steady-evil", "."] {
        let why = refusal(vec![data(), Forged { path: "data/x", name, content: file }]).unwrap();
        assert!(why.contains("cannot be trusted"), "{name}: {why}");
    }
}

#[test]
fn a_link_never_stands_in_for_a_folder() {
    let entries = vec![
        Forged { path: "data", name: "data", content: dir },
        Forged { path: "data/x", name: "x", content: link },
        Forged { path: "data/y", name: "x", content: dir },
        Forged { path: "data/y/evil", name: "evil", content: file },
    ];
    assert!(refusal(entries).is_some());
}

#[test]
fn a_link_is_written_as_a_link_and_an_honest_point_is_restored() {
    let entries = vec![
        Forged { path: "data", name: "data", content: dir },
        Forged { path: "data/a", name: "a", content: file },
        Forged { path: "data/x", name: "x", content: link },
    ];
    assert_eq!(refusal(entries), None);
}
