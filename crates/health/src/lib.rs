//! Checks: looks at the world on a schedule and says what it saw.
//!
//! Owns the probes (one file per kind) and when each of them looks. Must never judge: how many observations
//! change a verdict is `steady_model::check::observe`'s. Must never change what it looks at, and never let one
//! slow look delay another.

mod census;
mod command;
mod count;
mod disk;
mod docker;
mod endpoint;
mod equality;
mod float;
mod http;
mod http_client;
mod listening;
mod log;
mod marker;
mod number;
mod ollama;
mod outbox;
mod path;
mod perfdata;
mod port;
mod postgres;
mod postgres_pool;
mod probe;
mod process;
mod processes;
mod redis;
mod schedule;
mod sqlite;
mod sqlite_reader;
mod tail;
mod tcp;
mod threads;
mod variable;
mod worker;

pub use schedule::{CheckEvent, ChecksHandle, watch};
