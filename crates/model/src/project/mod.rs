//! Pure projections: one snapshot, many surfaces, no disagreement.

pub mod health;
pub mod metrics;
pub mod ready;
pub mod service;
pub mod sync_status;
pub mod tray;
