//! The pure heart of Steady: types, states, policies and projections.
//!
//! Owns what is true (`Snapshot`), how it is judged (`verdict`, `service::step`, `check::observe`,
//! `job::freshness`) and how it is said (`project`). Must never read a clock, a file or a socket, spawn
//! anything, or depend on a runtime: time, input and dice are arguments.

pub mod action;
pub mod api;
pub mod backup;
pub mod backup_schedule;
pub mod check;
pub mod config;
pub mod contents;
pub mod copy;
pub mod crash;
pub mod depend;
pub mod drill;
pub mod explain;
pub mod history;
pub mod job;
pub mod key;
pub mod latency;
pub mod liveness;
pub mod marker;
pub mod milestone;
pub mod older;
pub mod process;
pub mod project;
pub mod retention;
pub mod service;
pub mod settle;
pub mod since;
pub mod snapshot;
pub mod speed;
pub mod time;
pub mod usage;
pub mod verdict;
pub mod verification;
pub mod words;
