//! `GET /readyz`: are the services that should be up ready?

use crate::snapshot::{ServiceStatus, Snapshot};

/// The body, and the HTTP status: 503 while a service that should be up is not ready. What a person stopped, and
/// a one-shot that has done its work, is not waited for.
pub fn ready(snapshot: &Snapshot) -> (u16, String) {
    let waiting: Vec<String> = snapshot
        .services
        .iter()
        .filter(|s| s.wanted && s.state != ServiceStatus::Ready)
        .map(|s| format!("not ready: {} ({})\n", s.name, s.detail))
        .collect();
    if waiting.is_empty() { (200, "ready\n".to_owned()) } else { (503, waiting.concat()) }
}
