//! Durable files: the one way to replace a file, and the one kind of lock between processes.
//!
//! Owns atomic replacement (temp, fsync, rename, fsync of the directory), kernel locks, and private
//! directories. Must never follow a lock's recorded pid as authority: the kernel's lock alone decides.

mod atomic;
mod lock;

pub use atomic::{DiskError, create_private_dir, fsync_dir, write_atomic, write_atomic_until_reboot};
pub use lock::{FileLock, Holder, LockError};
