//! Who LISTENs on a port. Blocking; quick when nobody does.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use listeners::{Protocol, SocketState};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};
use steady_model::process::PortOwner;
use tokio::task::spawn_blocking;

use crate::process_info;
use crate::stop::gone;
use crate::timer::pause;

/// All local addresses that a service on this port would answer or collide on.
const ADDRESSES: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];
const KNOCK: Duration = Duration::from_millis(300);
/// How often a stranger's port is looked at while the stranger lives.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listeners {
    Nobody,
    /// The processes that listen, as far as the system tells; empty when they are another user's.
    Taken(BTreeSet<u32>),
}

/// Who listens on `port` at a loopback or wildcard address, of IPv4 or IPv6.
///
/// Not asked of the system's tables at first, which costs milliseconds: an address that can be bound is
/// free. The sockets never listen, so no client can meet them.
pub fn listeners(port: u16) -> Listeners {
    if ADDRESSES.iter().all(|ip| can_bind(SocketAddr::new(*ip, port))) {
        return Listeners::Nobody;
    }
    let found: BTreeSet<u32> = listeners::get_all()
        .unwrap_or_default()
        .into_iter()
        .filter(|l| l.protocol == Protocol::TCP && l.state == SocketState::Listen)
        .filter(|l| l.socket.port() == port && ADDRESSES.contains(&l.socket.ip()))
        .map(|l| l.process.pid)
        .collect();
    // Another user's listener is in no table that names it; a client's socket, or a listener on an address
    // of its own, only looked like one.
    let answers = |ip: &IpAddr| TcpStream::connect_timeout(&SocketAddr::new(*ip, port), KNOCK).is_ok();
    let [v4, _, v6, _] = &ADDRESSES;
    if found.is_empty() && !answers(v4) && !answers(v6) {
        return Listeners::Nobody;
    }
    Listeners::Taken(found)
}

pub fn describe(port: u16, pid: Option<u32>) -> PortOwner {
    PortOwner {
        port,
        pid,
        command: pid.and_then(process_info::command),
        since: pid.and_then(process_info::since),
        ours: false,
    }
}

/// Returns when nobody listens there any more.
///
/// The end of the owner comes from the kernel. That it only closed its socket is told by nobody, so it is
/// looked at now and then too.
pub async fn until_free(owner: &PortOwner) {
    let port = owner.port;
    loop {
        let known = owner.pid.and_then(process_info::look).filter(|seen| seen.alive);
        // Looked at in this order, an owner that ended before it could be watched is not waited for.
        if spawn_blocking(move || listeners(port)).await.is_ok_and(|found| found == Listeners::Nobody) {
            return;
        }
        let ended = async {
            match known {
                Some(seen) => gone(&seen.id).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => {}
            () = pause(LOOK_AGAIN) => {}
        }
    }
}

fn can_bind(address: SocketAddr) -> bool {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let bound = socket(family, SocketType::STREAM, Some(ipproto::TCP)).and_then(|socket| {
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        // What a server sets too: without it, connections that linger after a stop would count as taken.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)
    });
    // A machine without IPv6 has nobody there; a privileged port is the service's own trouble.
    !matches!(bound, Err(Errno::ADDRINUSE))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn me() -> Listeners {
        Listeners::Taken([std::process::id()].into())
    }

    #[test]
    fn a_listener_is_found_on_both_families_and_on_wildcards() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(listeners(port), me(), "{address}");
            drop(listener);
            assert_eq!(listeners(port), Listeners::Nobody, "{address}");
        }
    }

    #[test]
    fn connections_of_a_port_without_its_listener_do_not_take_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (served, _) = listener.accept().unwrap();
        drop(listener);
        assert_eq!(listeners(address.port()), Listeners::Nobody);
        // Nor does the other end of a client, seen from the client's own port.
        assert_eq!(listeners(client.local_addr().unwrap().port()), Listeners::Nobody);
        drop(served);
    }
}
