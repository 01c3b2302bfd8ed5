//! Chunks as they are in a repository, by the size of the data that it was made for.

use std::io::Cursor;

use super::*;
use crate::key::KeyPlace;

const KIBIBYTE: u64 = 1 << 10;
const GIBIBYTE: u64 = 1 << 30;

/// How many chunks a file of 1 MiB has, in which no two are equal.
fn chunks_of_a_mebibyte(data_bytes: u64) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("repository");
    let open = || Repository::open(&at, "secret", &KeyPlace::File("password".into())).unwrap();
    Repository::init(&at, "secret", data_bytes).unwrap();
    let bytes: Vec<u8> = (0..262_144_u32).flat_map(u32::to_le_bytes).collect();
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
    let file = Content::File(Box::new(|| Ok(Box::new(Cursor::new(bytes)))));
    let entries = vec![
        Entry { path: "data".into(), meta: meta(0), content: Content::Dir },
        Entry { path: "data/file".into(), meta: meta(1 << 20), content: file },
    ];
    let entries = Box::new(entries.into_iter());
    let appended = open().append(entries, Path::new("/x"), Timestamp::UNIX_EPOCH, "manual").unwrap();
    let stored = open().contents().unwrap().walk(&appended.id, "data").unwrap();
    stored.first().unwrap().content().0.len()
}

/// Small ones make a small change cheap; of much data they would make lists that are larger than the change.
#[test]
fn chunks_are_small_and_larger_for_much_data() {
    let mebibyte = usize::try_from(1024 * KIBIBYTE).unwrap();
    for (data, kibibytes) in [(0, 32), (4 * GIBIBYTE, 32), (4 * GIBIBYTE + 1, 64), (16 * GIBIBYTE + 1, 128)] {
        assert_eq!(chunks_of_a_mebibyte(data), mebibyte / (kibibytes << 10), "{data} bytes");
    }
}
