//! Data sets and the programs that keep them: what the parts on backups have in common.

pub mod commits;
pub mod corpus;
pub mod cost;
pub mod steady;
pub mod tool;
pub mod tree;
