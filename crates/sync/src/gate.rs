//! What a run of a job waits for before its process starts.

use std::pin::Pin;

/// Ends when the run may start; an error fails the run, with its reason.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Asked when a run has its lock, and before anything of it is started. A run that is stopped drops the future.
pub trait Gate: Send + Sync {
    fn open<'a>(&'a self, job: &'a str) -> Opening<'a>;
}
