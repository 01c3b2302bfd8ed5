//! Promises of the tcp check, against real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::CheckKind;

use common::{LIMIT, Looking, look};

fn tcp(address: &impl ToString) -> CheckKind {
    CheckKind::Tcp { address: address.to_string(), slow: None }
}

#[tokio::test]
async fn an_open_port_passes_with_its_latency_and_a_closed_one_is_refused() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut looking = Looking::at(tcp(&address), LIMIT);
    let seen = looking.look().await;
    assert_eq!(seen.status, Status::Pass);
    assert!(seen.evidence.starts_with(&format!("{address} accepts connections, in ")), "{}", seen.evidence);
    let measure = seen.measure.unwrap();
    assert_eq!(measure.unit, "seconds");
    assert!(measure.value > 0.0 && measure.value < 20.0);
    drop(listener);
    let seen = looking.look().await;
    assert_eq!((seen.status, seen.fact), (Status::Fail, false));
    let words = format!("{address}: connection to 127.0.0.1 refused: nothing listens there");
    assert_eq!(seen.evidence, words);
    looking.end().await;
}

#[tokio::test]
async fn a_name_means_all_its_addresses_whichever_family_the_server_has() {
    for ip in [Ipv4Addr::LOCALHOST.to_string(), format!("[{}]", Ipv6Addr::LOCALHOST)] {
        let Ok(listener) = TcpListener::bind(format!("{ip}:0")) else {
            eprintln!("NOT TESTED: this machine has no {ip}");
            continue;
        };
        let at: SocketAddr = listener.local_addr().unwrap();
        let seen = look(tcp(&format!("localhost:{}", at.port())), LIMIT).await;
        if at.is_ipv6() && seen.evidence.contains("127.0.0.1") && !seen.evidence.contains("::1") {
            eprintln!("NOT TESTED: localhost is IPv4 only here");
            continue;
        }
        assert_eq!(seen.status, Status::Pass, "{ip}: {}", seen.evidence);
        assert!(seen.evidence.contains(&format!(" at {at}, in ")), "{}", seen.evidence);
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_from_a_server_that_is_down() {
    let seen = look(tcp(&"no-such-host.invalid:5432"), LIMIT).await;
    assert_eq!(seen.status, Status::Fail);
    let words = "no-such-host.invalid:5432: its host name cannot be resolved: ";
    assert!(seen.evidence.starts_with(words), "{}", seen.evidence);
}

/// A server whose queue is full answers no new connection: the kernel drops it without a word.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_does_not_answer_is_told_from_one_that_refuses() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, ipproto, listen, socket};

    let server = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP)).unwrap();
    bind(&server, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listen(&server, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&server).unwrap()).unwrap();
    let mut waiting = Vec::new();
    while let Ok(client) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(client);
    }
    let seen = look(tcp(&address), Duration::from_millis(200)).await;
    assert_eq!(seen.status, Status::Fail);
    assert_eq!(seen.evidence, format!("{address}: no answer within 200 ms"));
}

#[tokio::test]
async fn a_slow_connection_warns_and_says_what_slow_is() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = look(CheckKind::Tcp { address, slow: Some(Duration::ZERO) }, LIMIT).await;
    assert_eq!(seen.status, Status::Warn);
    assert!(seen.evidence.ends_with("; more than 0 s is slow"), "{}", seen.evidence);
}
