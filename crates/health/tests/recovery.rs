//! What became better is confirmed soon, and not after whole intervals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test takes its part")]
mod common;

use std::net::{Ipv4Addr, TcpListener};

use steady_model::check::Status;
use steady_model::config::CheckKind;

use common::{HOUR, LIMIT, check, next, start};

#[tokio::test]
async fn a_server_that_is_back_is_looked_at_again_at_once_and_then_at_its_interval() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let kind = CheckKind::Tcp { address: free.to_string(), slow: None };
    let (checks, mut events) = start(vec![check("api", kind, HOUR, LIMIT)]);
    assert_eq!(next(&mut events).await.observation.status, Status::Fail);
    let server = TcpListener::bind(free).unwrap();
    assert!(checks.probe_now("api"));
    let back = next(&mut events).await.observation;
    assert_eq!(back.status, Status::Pass, "{}", back.evidence);
    // Its interval is an hour.
    let confirmed = next(&mut events).await.observation;
    assert_eq!(confirmed.status, Status::Pass, "{}", confirmed.evidence);
    drop(server);
    assert!(checks.probe_now("api"));
    assert_eq!(next(&mut events).await.observation.status, Status::Fail);
    assert!(events.try_recv().is_err(), "what became worse takes its time");
    checks.shutdown().await;
}
