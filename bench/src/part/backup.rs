//! Backups: what they cost, what they are worth while the data is written, and how long a restore stops a service.

pub mod cost;
pub mod cut;
pub mod downtime;
