use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::Listener;

const LISTEN: &str = "0A";

/// From the kernel's table, which has everybody's sockets, and the descriptors of the processes that may be asked.
///
/// Not the `listeners` crate: it names one process per socket, and of a server with workers any of them.
pub fn all() -> io::Result<BTreeMap<u16, Vec<Listener>>> {
    let mut table = rows(&fs::read_to_string("/proc/net/tcp")?);
    match fs::read_to_string("/proc/net/tcp6") {
        Ok(text) => table.extend(rows(&text)),
        // A kernel without IPv6.
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let mut holders = holders(&table)?;
    let mut all: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    for (inode, at) in table {
        let holders = holders.remove(&inode).unwrap_or_default();
        all.entry(at.port()).or_default().push(Listener { at, holders });
    }
    Ok(all)
}

/// The table shows everybody's.
pub async fn is_hidden(_port: u16) -> bool {
    false
}

/// Inode and address of each listening socket.
fn rows(table: &str) -> BTreeMap<u64, SocketAddr> {
    table.lines().filter_map(row).collect()
}

/// `sl local_address rem_address st queues timer retransmits uid timeout inode …`
fn row(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_ascii_whitespace();
    let at = address(fields.nth(1)?)?;
    let is_listening = fields.nth(1)? == LISTEN;
    let inode = fields.nth(5)?.parse().ok()?;
    is_listening.then_some((inode, at))
}

/// `0100007F:1F90`: words of 32 bits in the machine's own order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = if ip.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let mut bytes = [0; 16];
        for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
            part.copy_from_slice(&word(at)?);
        }
        IpAddr::V6(Ipv6Addr::from(bytes))
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn holders(wanted: &BTreeMap<u64, SocketAddr>) -> io::Result<BTreeMap<u64, BTreeSet<u32>>> {
    let mut holders: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(holders);
    }
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Gone since the listing, or another user's.
        for inode in sockets(&entry.path().join("fd")).unwrap_or_default() {
            if wanted.contains_key(&inode) {
                holders.entry(inode).or_default().insert(pid);
            }
        }
    }
    Ok(holders)
}

fn sockets(descriptors: &Path) -> io::Result<Vec<u64>> {
    let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    let inode = |target: &Path| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    let all = fs::read_dir(descriptors)?;
    Ok(all.filter_map(|entry| inode(&target(entry.ok()?)?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read_for_both_families() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0";
        let expected = [(4711, "127.0.0.1:8080"), (4713, "[::1]:80")];
        assert_eq!(rows(table), expected.map(|(inode, at)| (inode, at.parse().unwrap())).into());
    }
}
