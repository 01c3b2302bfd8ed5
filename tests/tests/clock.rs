//! The calendar jumps by a day, forth and back; what runs does not care.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use steady_e2e::{Stack, kill9};
use steady_model::check::Status;
use steady_model::snapshot::{ServiceStatus, Snapshot};

fn set_clock(file: &Path, offset: &str) {
    fs::write(file, offset).unwrap();
}

fn ready(s: &Snapshot) -> Option<u32> {
    s.services.iter().find(|v| v.name == "sleeper" && v.state == ServiceStatus::Ready).and_then(|v| v.pid)
}

#[tokio::test]
async fn clock_jumps_of_a_day_restart_nothing_and_delay_no_restart() {
    let stack =
        Stack::with("[service.sleeper]\ncommand = [\"sh\", \"-c\", \"echo begun; exec sleep 1000\"]\n");
    let (mut agent, clock) = stack.agent_with_clock();
    let mut pid = ready(&stack.until("it runs", |s| ready(s).is_some()).await);
    let mut restarts = 0;
    for jump in ["+1d", "-1d", "+0"] {
        let before = stack.client().snapshot().await.unwrap().at;
        set_clock(&clock, jump);
        // Something must happen for the agent to look at its clocks.
        kill9(pid.unwrap());
        restarts += 1;
        let back = stack.until("it runs again", |s| ready(s).is_some_and(|now| Some(now) != pid)).await;
        let hours = (back.at.0.as_second() - before.0.as_second()).abs() / 3600;
        assert!((23..=49).contains(&hours), "the clock did not jump: {hours} h");
        assert_eq!(back.services[0].restarts, restarts, "restarted for the clock alone");
        assert_ne!(back.services[0].state, ServiceStatus::CrashLoop);
        pid = ready(&back);
    }
    let calm = stack.until("the dot is green again", |s| s.verdict.status == Status::Pass).await;
    assert_eq!(ready(&calm), pid);
    assert!(stack.steady(&["down"]).status.success());
    assert!(agent.wait().unwrap().success());
}
