//! The log sink, and the reading of what it wrote.
//!
//! Owns the FIFOs of the services, their log files (`current`, its archives and their time index) and the
//! sink process with its socket, lock and book; and the rotation of logs that others write, where that is
//! safe. Must never block a service because a disk is full or slow to answer, never tear or lose a line in a
//! rotation, and never know what a service is: to it, one is a FIFO and a directory.
//!
//! A FIFO is opened read-write by everybody: by the service, so that neither agent nor sink can break its
//! output by dying; by the sink, so that it never sees an end of file.
//!
//! On Linux bytes move from the FIFO to the file inside the kernel (`tee` to look, `splice` to move), so
//! that a SIGKILL of the sink at any moment neither loses nor doubles one. macOS has no such call: there, a
//! SIGKILL between the read and the write loses up to one buffer.
//!
//! A file ends at its size, or when its first byte is too old: before the next line, or when the time comes.
//! The time is the wall clock's, kept in the index beside the file, so that a restart knows it. Archives are
//! compressed by a thread that exists only while there is work. While a disk is full the FIFOs are drained
//! all the same; what is missing is counted to the line and byte, and said in the log and to subscribers. A
//! sink that is killed just then forgets the count since the last note.

mod archive;
mod bounds;
mod client;
mod compress;
mod current;
mod cut;
mod error;
mod fifo;
mod fold;
mod follow;
pub mod foreign;
mod pipe;
mod position;
mod protocol;
mod query;
mod ready;
mod repeats;
mod sink;
mod source;
mod tail;
mod times;

pub use client::{SinkClient, Subscription};
pub use error::SinkError;
pub use fifo::{make_fifo, open_fifo};
pub use fold::{Fold, Folded, fold};
pub use follow::{Follower, Stopper};
pub use position::{NotAPosition, Position};
pub use protocol::{Attachment, ServiceStats, SinkEvent};
pub use query::{Line, Query, read, read_until};
pub use sink::sink_main;
pub use tail::tail;
