//! One file per family of commands.

pub mod agent;
pub mod backup;
pub mod check;
pub mod client;
pub mod config;
pub mod copies;
pub mod crashes;
pub mod drill;
pub mod exec;
pub mod history;
pub mod init;
pub mod key;
pub mod logs;
pub mod older;
pub mod operation;
pub mod points;
pub mod reload;
pub mod restore;
pub mod service;
pub mod shell;
pub mod up;
