//! Repositories made by hand: the size of chunks by that of the data, and points of a Steady to come.

use std::io::Cursor;

use super::*;
use crate::key::KeyPlace;
use crate::manifest::{MANIFEST, VERSION};
use crate::verify;

const GIBIBYTE: u64 = 1 << 30;

struct Made {
    _dir: tempfile::TempDir,
    contents: Contents,
    id: String,
}

/// With one point in it that holds one file.
fn repository_with(path: &str, bytes: Vec<u8>, data_bytes: u64) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("repository");
    let open = || Repository::open(&at, "secret", &KeyPlace::File("password".into())).unwrap();
    Repository::init(&at, "secret", data_bytes).unwrap();
    let meta = |size| Meta {
        mode: 0o700,
        modified: Timestamp::UNIX_EPOCH,
        uid: 0,
        gid: 0,
        device: 0,
        inode: 0,
        links: 1,
        size,
        attributes: Vec::new(),
    };
    let (folder, size) = (Path::new(path).parent().unwrap().to_owned(), bytes.len() as u64);
    let file = Content::File(Box::new(|| Ok(Box::new(Cursor::new(bytes)))));
    let entries = vec![
        Entry { path: folder, meta: meta(0), content: Content::Dir },
        Entry { path: path.into(), meta: meta(size), content: file },
    ];
    let entries = Box::new(entries.into_iter());
    let id = open().append(entries, Path::new("/x"), Timestamp::UNIX_EPOCH, "manual").unwrap().id;
    let contents = open().contents().unwrap();
    Made { _dir: dir, contents, id }
}

/// Small ones make a small change cheap; of much data they would make lists that are larger than the change.
#[test]
fn chunks_are_small_and_larger_for_much_data() {
    for (data, kibibytes) in [(0, 32), (4 * GIBIBYTE, 32), (4 * GIBIBYTE + 1, 64), (16 * GIBIBYTE + 1, 128)] {
        // 1 MiB in which no two chunks are equal.
        let bytes: Vec<u8> = (0..262_144_u32).flat_map(u32::to_le_bytes).collect();
        let made = repository_with("data/file", bytes, data);
        let stored = made.contents.walk(&made.id, "data").unwrap();
        assert_eq!(stored.first().unwrap().content().0.len(), 1024 / kibibytes, "{data} bytes");
    }
}

/// What it says may mean something else by then.
#[test]
fn a_point_of_a_newer_steady_is_refused_and_not_called_lost() {
    let text = include_str!("../../tests/fixtures/manifest-2.json");
    let newer = text.replacen("\"version\": 2", &format!("\"version\": {}", VERSION + 1), 1);
    let made = repository_with(MANIFEST, newer.into_bytes(), 1);
    let told = |error: BackupError| {
        assert!(matches!(error, BackupError::Newer { found, known: VERSION, .. } if found == VERSION + 1));
        assert!(error.to_string().contains("update Steady"), "{error}");
    };
    told(verify::manifest(&made.contents, &made.id).unwrap_err());
    let (scratch, events) = (tempfile::tempdir().unwrap(), crate::events::Events::default());
    let verdict = verify::from_repository(&made.contents, &made.id, None, scratch.path(), &events);
    told(verdict.map(drop).unwrap_err());
}
