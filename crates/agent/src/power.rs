//! The machine's sleep: who wants it awake, and what follows a wake.

use std::collections::BTreeSet;

use steady_power::{Awake, TimeShift, TimeShifts};
use tokio::sync::{mpsc, watch};

use crate::events::Notice;

/// Tells of each wake for as long as somebody hears it.
pub async fn tell_wakes(notices: mpsc::Sender<Notice>) {
    let mut shifts = match TimeShifts::watch() {
        Ok(shifts) => shifts,
        Err(e) => {
            tracing::warn!("sleeps of the machine will not be noticed: {e}");
            return;
        }
    };
    loop {
        match shifts.next().await {
            Ok(TimeShift::Slept(slept)) => {
                tracing::info!("the machine slept for {} and woke", steady_model::words::span(slept));
                if notices.send(Notice::Woke(slept)).await.is_err() {
                    return;
                }
            }
            Ok(TimeShift::ClockSet) => {
                tracing::info!("the clock was set");
                if notices.send(Notice::ClockSet).await.is_err() {
                    return;
                }
            }
            Err(e) => {
                tracing::warn!("sleeps of the machine are not noticed any more: {e}");
                return;
            }
        }
    }
}

/// Keeps the machine awake while the returned set names anybody.
pub fn keep_awake(notices: mpsc::Sender<Notice>) -> watch::Sender<BTreeSet<String>> {
    let (wanted, wishes) = watch::channel(BTreeSet::new());
    let (told, mut hears) = watch::channel(Awake::Free);
    tokio::spawn(steady_power::keep_awake::follow(wishes, told));
    tokio::spawn(async move {
        while hears.changed().await.is_ok() {
            let awake = hears.borrow_and_update().clone();
            if notices.send(Notice::Awake(awake)).await.is_err() {
                return;
            }
        }
    });
    wanted
}
