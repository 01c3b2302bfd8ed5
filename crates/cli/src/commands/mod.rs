//! One file per family of commands.

pub mod agent;
pub mod backup;
pub mod client;
pub mod logs;
pub mod service;
pub mod shell;
pub mod up;
