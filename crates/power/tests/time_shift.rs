//! The kernel's news of jumps in time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime, clock_settime};
use steady_power::{TimeShift, TimeShifts};
use tokio::time::timeout;

#[tokio::test]
async fn nothing_is_told_while_nothing_happens() {
    let mut shifts = TimeShifts::watch().unwrap();
    assert!(timeout(Duration::from_millis(200), shifts.next()).await.is_err());
}

/// Sets the clock to what it is: all who watch it are told, and nothing else changes.
#[tokio::test]
#[ignore = "needs the right to set the machine's clock, and uses it"]
async fn a_clock_that_is_set_is_told_each_time() {
    let mut shifts = TimeShifts::watch().unwrap();
    for _ in 0..3 {
        clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime)).unwrap();
        let shift = timeout(Duration::from_secs(10), shifts.next()).await.unwrap().unwrap();
        assert_eq!(shift, TimeShift::ClockSet);
        assert!(timeout(Duration::from_millis(50), shifts.next()).await.is_err(), "told twice");
    }
}
