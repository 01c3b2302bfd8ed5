use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use listeners::{Protocol, SocketState};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Listener;

const KNOCK: Duration = Duration::from_millis(300);

/// Only the sockets of processes that may be asked: another user's are missing.
pub fn all() -> io::Result<BTreeMap<u16, Vec<Listener>>> {
    let mut all: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    let found = listeners::get_all().map_err(|e| io::Error::other(e.to_string()))?;
    for one in found.into_iter().filter(|l| l.protocol == Protocol::TCP && l.state == SocketState::Listen) {
        let there = all.entry(one.socket.port()).or_default();
        match there.iter_mut().find(|listener| listener.at == one.socket) {
            Some(listener) => {
                listener.holders.insert(one.process.pid);
            }
            None => there.push(Listener { at: one.socket, holders: [one.process.pid].into() }),
        }
    }
    Ok(all)
}

/// Whether somebody answers at a port that nobody in the list listens on.
pub async fn is_hidden(port: u16) -> bool {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        if timeout(KNOCK, TcpStream::connect((ip, port))).await.is_ok_and(|answer| answer.is_ok()) {
            return true;
        }
    }
    false
}
