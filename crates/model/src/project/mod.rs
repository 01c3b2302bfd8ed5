//! Pure projections: one snapshot, many surfaces, no disagreement.

pub mod health;
pub mod service;
pub mod tray;
