//! One guard for all who want it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::hold_with;

/// After a refusal or a loss it is tried anew this often.
const RETRY: Duration = Duration::from_secs(60);

/// Whether the machine is kept awake, as the system says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awake {
    /// Nobody wants it.
    Free,
    Held,
    /// Somebody wants it, and this is why it is not so. It may go to sleep.
    Refused(String),
}

/// Keeps the machine awake while `wanted` names anybody, and tells how that goes. Ends with either channel.
pub async fn follow(wanted: watch::Receiver<BTreeSet<String>>, told: watch::Sender<Awake>) {
    follow_with(wanted, told, Vec::new()).await;
}

/// As [`follow`], with more in the tool's environment.
pub async fn follow_with(
    mut wanted: watch::Receiver<BTreeSet<String>>,
    told: watch::Sender<Awake>,
    environment: Vec<(OsString, OsString)>,
) {
    let tell = |state: Awake| told.send_if_modified(|last| std::mem::replace(last, state.clone()) != state);
    loop {
        tell(Awake::Free);
        let Ok(names) = wanted.wait_for(|names| !names.is_empty()).await.map(|names| why(&names)) else {
            return;
        };
        while !wanted.borrow_and_update().is_empty() {
            let refused = match hold_with(&names, environment.iter().cloned()).await {
                Ok(mut guard) => {
                    tell(Awake::Held);
                    tokio::select! {
                        // The reason that was given stays, whoever comes and goes; the end of it all drops the guard.
                        free = wanted.wait_for(BTreeSet::is_empty) => match free {
                            Ok(_) => break,
                            Err(_) => return,
                        },
                        () = told.closed() => return,
                        () = guard.lost() => "somebody ended the program that kept the machine awake".to_owned(),
                    }
                }
                Err(e) => e.to_string(),
            };
            tell(Awake::Refused(refused));
            match timeout(RETRY, wanted.wait_for(BTreeSet::is_empty)).await {
                Ok(Ok(_)) => break,
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        }
    }
}

fn why(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    format!("for {}", names.join(", "))
}
