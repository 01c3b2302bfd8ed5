//! Extended attributes: read with a file, set on its restored copy.

use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;

/// Names and values in the system's order. The repository's format has names in UTF-8 only; the systems give no
/// others.
pub(crate) type Attributes = Vec<(String, Vec<u8>)>;

const FIRST: usize = 1 << 10;
/// Linux allows 64 KiB; a resource fork on macOS may be larger.
const MOST: usize = 16 << 20;

/// What is there; nothing where the file system has no attributes. Opens no file.
pub(crate) fn read(path: &Path) -> Attributes {
    let names = grow(|buffer| llistxattr(path, spare_capacity(buffer))).unwrap_or_default();
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .filter_map(|name| {
            let name = String::from_utf8(name.to_vec()).ok()?;
            let value = grow(|buffer| lgetxattr(path, name.as_str(), spare_capacity(buffer))).ok()?;
            Some((name, value))
        })
        .collect()
}

/// Sets what the system lets us set. The names of those that a user can set anywhere else and that were refused
/// here: the file system has no attributes, or no room for them.
pub(crate) fn write(path: &Path, attributes: &Attributes) -> Vec<String> {
    let refused = attributes.iter().filter(|(name, value)| {
        let set = lsetxattr(path, name.as_str(), value, XattrFlags::empty());
        // Labels and capabilities are the system's to give, and only root's to copy.
        set.is_err() && !name.starts_with("security.") && !name.starts_with("trusted.")
    });
    refused.map(|(name, _)| name.clone()).collect()
}

fn grow(read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut size = FIRST;
    loop {
        // Never empty: an empty buffer asks for the size only.
        let mut buffer = Vec::with_capacity(size);
        match read(&mut buffer) {
            Err(Errno::RANGE) if size < MOST => size *= 4,
            Err(error) => return Err(error),
            Ok(_) => return Ok(buffer),
        }
    }
}
