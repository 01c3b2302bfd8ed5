use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;
use steady_model::time::WallTime;

use super::scan::meta;
use crate::clock::back_off;
use crate::repository::Meta;

/// Up to this size a file is read at once, and again when it changed meanwhile.
const SMALL: u64 = 1 << 20;
const TRIES: usize = 5;
/// A file's times go in steps of some milliseconds: a change within one step of the last one does not show.
const STEP: Duration = Duration::from_millis(20);

/// A plain file, read so that a change meanwhile is noticed.
pub(crate) enum Plain {
    /// Its bytes and what was known of it then.
    Read(Meta, Bytes),
    /// Large: streamed up to the size it has now, and looked at again at the end.
    Stream(Meta),
}

/// The whole content of a small file, for each of its names.
pub(crate) type Bytes = Cursor<Arc<[u8]>>;

/// `grows`: what was there at the first look is a true state of the file.
pub(crate) fn open(path: &Path, grows: bool) -> io::Result<Plain> {
    for _ in 0..TRIES {
        let (before, settled) = aged(path)?;
        if before.size > SMALL && (settled || grows) {
            return Ok(Plain::Stream(dressed(path, &before)));
        }
        if before.size > SMALL {
            continue;
        }
        let mut bytes = Vec::new();
        open_file(path)?.take(SMALL + 1).read_to_end(&mut bytes)?;
        let after = look(path)?;
        if settled && after == before && bytes.len() as u64 == after.size {
            return Ok(Plain::Read(dressed(path, &after), Cursor::new(bytes.into())));
        }
        if only_grew(grows, &before, &after) && bytes.len() as u64 >= before.size {
            bytes.truncate(usize::try_from(before.size).unwrap_or(usize::MAX));
            return Ok(Plain::Read(dressed(path, &before), Cursor::new(bytes.into())));
        }
    }
    Err(io::Error::other(format!("it changed during each of {TRIES} attempts to read it")))
}

/// Opens what was a file when it was looked at: a pipe that took its place must not hold the backup up, and a link
/// must not lead it elsewhere.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no longer a file")) }
}

/// What is known of a file without opening it, but for its attributes: they are read once.
pub(crate) fn look(path: &Path) -> io::Result<Meta> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_file() { Ok(meta(&metadata)) } else { Err(io::Error::other("it is no longer a file")) }
}

/// As [`look`], and whether a further change would show.
fn aged(path: &Path) -> io::Result<(Meta, bool)> {
    let first = look(path)?;
    if !is_fresh(&first, STEP) {
        return Ok((first, true));
    }
    back_off(STEP);
    let second = look(path)?;
    let settled = first == second;
    Ok((second, settled))
}

/// Changed less than `within` ago, or in the future.
pub(crate) fn is_fresh(meta: &Meta, within: Duration) -> bool {
    let changed = WallTime(meta.modified);
    super::now().since(changed).is_none_or(|age| age < within)
}

pub(crate) fn dressed(path: &Path, meta: &Meta) -> Meta {
    Meta { attributes: crate::attributes::read(path), ..meta.clone() }
}

/// Whether what was read is still true, asked after the last byte.
pub(crate) fn unchanged(path: &Path, before: &Meta, grows: bool) -> Result<(), String> {
    let after = look(path).map_err(|e| format!("it could not be looked at after it was read: {e}"))?;
    let bare = Meta { attributes: Vec::new(), ..before.clone() };
    if after == bare || only_grew(grows, before, &after) {
        return Ok(());
    }
    Err("it changed while it was read".to_owned())
}

fn only_grew(grows: bool, before: &Meta, after: &Meta) -> bool {
    grows && (after.device, after.inode) == (before.device, before.inode) && after.size >= before.size
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn large(path: &Path) -> Meta {
        std::fs::write(path, vec![b'a'; 2 << 20]).unwrap();
        match open(path, false).unwrap() {
            Plain::Stream(meta) => meta,
            Plain::Read(..) => panic!("a large file was read at once"),
        }
    }

    fn append(path: &Path) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    }

    #[test]
    fn a_large_file_that_changed_while_it_was_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.bin");
        let before = large(&path);
        assert_eq!(unchanged(&path, &before, false), Ok(()));
        append(&path);
        assert!(unchanged(&path, &before, false).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(unchanged(&path, &before, false).is_err());
    }

    #[test]
    fn a_log_that_only_grew_is_true_up_to_the_size_seen_and_a_replaced_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let before = large(&path);
        append(&path);
        assert_eq!(unchanged(&path, &before, true), Ok(()));
        std::fs::rename(&path, dir.path().join("events.1.jsonl")).unwrap();
        std::fs::write(&path, vec![b'b'; 3 << 20]).unwrap();
        assert!(unchanged(&path, &before, true).is_err());
    }

    #[test]
    fn a_small_file_that_is_replaced_again_and_again_is_never_read_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        let versions = [vec![b'a'; 700_000], vec![b'b'; 650_000]];
        std::fs::write(&path, &versions[0]).unwrap();
        let (stop, told) = std::sync::mpsc::channel::<()>();
        let (to, contents) = (path.clone(), versions.clone());
        let writer = std::thread::spawn(move || {
            let pace = Duration::from_millis(60);
            for number in 0_usize.. {
                // In place, as programs that do not know better write.
                std::fs::write(&to, &contents[number % 2]).unwrap();
                if told.recv_timeout(pace) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        let mut read = 0;
        for _ in 0..60 {
            if let Ok(Plain::Read(_, bytes)) = open(&path, false) {
                let bytes = bytes.into_inner();
                // To be empty for a moment is a state that its writer made.
                let whole = versions.iter().any(|v| v[..] == bytes[..]);
                assert!(whole || bytes.is_empty(), "{} bytes of two versions", bytes.len());
                read += usize::from(whole);
            }
        }
        assert!(read > 5, "it was hardly ever read");
        drop(stop);
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_does_not_hold_the_backup_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("was-a-file");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(open_file(&path).is_err());
        std::fs::write(dir.path().join("secret"), "elsewhere").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("secret", &link).unwrap();
        assert!(open_file(&link).is_err(), "a link was followed");
    }
}
