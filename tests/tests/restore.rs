//! Back up while it is written, restore the old data, undo.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use steady_e2e::Stack;
use steady_model::check::Status;

#[tokio::test]
async fn a_point_taken_under_writes_is_verified_and_comes_back_and_can_be_undone() {
    let stack = Arc::new(Stack::green().await);
    stack.converse("kept").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (stack, stop) = (stack.clone(), stop.clone());
        async move {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let id = stack.converse(&format!("noise {n}")).await;
                stack.forget(&id).await;
                n += 1;
            }
            n
        }
    });
    let (stack_, id) = (
        stack.clone(),
        tokio::task::spawn_blocking({
            let stack = stack.clone();
            move || stack.steady_json(&["backup"])["id"].as_str().unwrap().to_owned()
        })
        .await
        .unwrap(),
    );
    stop.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0, "nothing was written during the backup");
    let point = stack_.client().points().await.unwrap().into_iter().find(|p| p.id == id).unwrap();
    assert!(point.verified.is_some() && point.missing.is_empty(), "{point:?}");

    stack.converse("written after the backup").await;
    let before = stack.conversations().await;
    assert!(before.contains(&"written after the backup".to_owned()));
    let pid = Stack::pid_of(&stack.client().snapshot().await.unwrap(), "brain");

    let refused = stack.steady(&["restore", &id]);
    assert_eq!(refused.status.code(), Some(1), "a restore without consent");
    assert_eq!(stack.conversations().await, before);

    let record = stack.steady_json(&["restore", &id, "--yes"]);
    assert_eq!(
        (record["result"].as_str(), record["can_undo"].as_bool()),
        (Some("restored"), Some(true)),
        "{record}"
    );
    let restored = stack.conversations().await;
    assert!(restored.contains(&"kept".to_owned()));
    assert!(!restored.contains(&"written after the backup".to_owned()));
    let s = stack.until("healthy after the restore", |s| s.verdict.status == Status::Pass).await;
    assert_ne!(Stack::pid_of(&s, "brain"), pid, "the backend was not restarted over the new data");

    stack.steady_json(&["undo", "--yes"]);
    assert_eq!(stack.conversations().await, before, "undo did not bring back the state before the restore");
    let again = stack.steady(&["undo", "--yes"]);
    assert_eq!(again.status.code(), Some(1), "a second undo has nothing to undo");
}
