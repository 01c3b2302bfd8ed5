//! Restore points of a data directory that is in use, and the way back to them.
//!
//! Owns the repository, the catalogue, the engine process (`steady engine`), and the restore transaction with its
//! journal. Must never call a point verified that was not read back and opened, write to or checkpoint a user's
//! live database, leave a data directory between two states, or let a type of the repository library out.
//!
//! Each restore point is a snapshot in the restic format: `cut/manifest.json`, what was known at the cut, then
//! `data/`, the data directory, `postgres/`, dumps of database servers, and `steady/manifest.json`, all of it with
//! hashes. Plain `restic restore` reads it without Steady.

mod attributes;
mod backups;
mod browse;
mod cancel;
mod capture;
mod catalogue;
mod child;
mod chosen;
mod clock;
mod compare;
mod copy;
mod difference;
mod dump;
mod engine;
mod error;
mod events;
mod group;
mod inspect;
mod key;
mod load;
mod login;
mod manifest;
mod older;
mod place;
mod plan;
mod priority;
mod protocol;
mod psql;
mod quiet;
mod remote;
mod removals;
mod repository;
mod restore;
mod secret_file;
mod stage;
mod verify;
mod workers;

pub use backups::{
    Backups, Circumstances, CopiedPoint, CopyPoints, CopyRecord, Recovery, Thoroughness, Written,
};
pub use cancel::Cancel;
pub use child::EngineCommand;
pub use dump::DumpRequest;
pub use engine::engine_main;
pub use error::BackupError;
pub use key::{AnyKeychain, KeyPlace};
pub use load::LoadedDump;
pub use place::cautions;
pub use protocol::{CaptureRequest, Code, Command, CopyTo, Done, Event, Progress, Request, Taken, Verdict};
pub use remote::RemoteError;
pub use restore::{BoxFuture, FailPoint, Moment, Services};
