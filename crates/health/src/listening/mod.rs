//! Who listens on which TCP port. Blocking; takes milliseconds, for each process is asked.
//!
//! One file per system behind `all` and `is_hidden`.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::census::Census;
pub use system::is_hidden;

/// All listening sockets by their port.
pub static LISTENING: Census<BTreeMap<u16, Vec<Listener>>> = Census::new(system::all);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub at: SocketAddr,
    /// All that hold the socket: a server's workers hold their parent's. Empty when they are another user's.
    pub holders: BTreeSet<u32>,
}
