//! The log sink, and the reading of what it wrote.
//!
//! Owns the FIFOs of the services, their log files (`current` and its archives) and the sink process with
//! its socket, lock and book. Must never block a service because a disk is full or slow to answer, never
//! tear or lose a line in a rotation, and never know what a service is: to it, one is a FIFO and a directory.
//!
//! A FIFO is opened read-write by everybody: by the service, so that neither agent nor sink can break its
//! output by dying; by the sink, so that it never sees an end of file.
//!
//! On Linux bytes move from the FIFO to the file inside the kernel (`tee` to look, `splice` to move), so
//! that a SIGKILL of the sink at any moment neither loses nor doubles one. macOS has no such call: there, a
//! SIGKILL between the read and the write loses up to one buffer.

mod archive;
mod client;
mod current;
mod cut;
mod error;
mod fifo;
mod follow;
mod pipe;
mod protocol;
mod sink;
mod tail;

pub use client::SinkClient;
pub use error::SinkError;
pub use fifo::{make_fifo, open_fifo};
pub use follow::Follower;
pub use protocol::Attachment;
pub use sink::sink_main;
pub use tail::tail;
