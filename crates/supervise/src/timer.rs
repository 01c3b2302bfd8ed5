//! Sleeping, in awake time.

use std::time::Duration;

use steady_model::time::AwakeInstant;

/// Returns at `due`, at once when it has passed, never without one. May return a little early.
pub async fn until(due: Option<AwakeInstant>) {
    match due {
        Some(due) => pause(due.since(steady_clock::now().awake)).await,
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter; the runtime's clock stops in sleep")]
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
