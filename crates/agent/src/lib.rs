//! The agent: the one process that knows everything.
//!
//! Owns the World, the event loop, the owner of long operations, and the HTTP API. Must never block on
//! work (each owner has its own task), never read state past the World, and never start anything before
//! the configuration has been read to its end.

mod api;
mod backup_moment;
mod backup_space;
mod before_job;
pub mod config_file;
mod copies;
mod crashes;
mod drills;
mod events;
mod figures;
mod heartbeat;
mod history;
mod hold;
mod home;
mod listeners;
mod liveness;
mod log_stream;
mod log_watch;
mod looks;
mod milestones;
mod mounts;
mod operations;
mod owners;
mod power;
mod registry;
mod reload;
mod run;
mod service_control;
mod stack;
mod token;
mod validate;
mod world;

pub use config_file::ConfigFileError;
pub use home::Home;
pub use milestones::MilestoneFile;
pub use run::{AgentError, Options, run};
pub use validate::try_checks;

/// The OpenAPI document of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::document()
}
