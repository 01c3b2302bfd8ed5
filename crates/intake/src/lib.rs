//! Getting in: what lies in a folder, and the `steady.toml` that it asks for.
//!
//! [`Folder::read`] is the only part that touches the disk, and it only reads: names, small texts, and the first bytes of
//! files that may be databases. What they mean ([`recognise`]) and what is written about it ([`draft`]) is pure.

mod compose;
mod draft;
mod folder;
mod found;
mod node;
mod procfile;
mod python;

pub use draft::draft;
pub use folder::{Folder, ReadError};
pub use found::{Found, Listening, recognise};
