//! Entries in the form of the format, and back.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustic_core::repofile::{Metadata, Node, NodeType};

use super::{Content, Meta, StoredKind};

/// The bits of Go's `os.FileMode`, which is what the format stores.
const GO_DIR: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;
const GO_SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

pub(super) fn to_node(path: &Path, meta: &Meta, content: &Content) -> Node {
    let (kind, bits) = match content {
        Content::Dir => (NodeType::Dir, GO_DIR),
        Content::File(_) => (NodeType::File, 0),
        Content::Link(target) => (NodeType::from_link(target), GO_LINK),
    };
    let special =
        GO_SPECIAL.iter().filter(|(unix, _)| meta.mode & unix != 0).fold(0, |bits, (_, go)| bits | go);
    let metadata = Metadata {
        mode: Some(bits | special | (meta.mode & 0o777)),
        mtime: Some(meta.modified),
        atime: Some(meta.modified),
        ctime: Some(meta.modified),
        uid: Some(meta.uid),
        gid: Some(meta.gid),
        inode: meta.inode,
        size: meta.size,
        links: meta.links,
        // Else a data directory that moved to another disk would look changed as a whole.
        device_id: if meta.links > 1 { meta.device } else { 0 },
        extended_attributes: attributes(meta),
        ..Metadata::default()
    };
    Node::new_node(path.file_name().unwrap_or_default(), kind, metadata)
}

pub(super) fn from_node(node: &Node) -> Meta {
    let go = node.meta.mode.unwrap_or(0o600);
    let special = GO_SPECIAL.iter().filter(|(_, bit)| go & bit != 0).fold(0, |mode, (unix, _)| mode | unix);
    Meta {
        mode: special | (go & 0o777),
        modified: node.meta.mtime.unwrap_or_default(),
        uid: node.meta.uid.unwrap_or_default(),
        gid: node.meta.gid.unwrap_or_default(),
        device: node.meta.device_id,
        inode: node.meta.inode,
        links: node.meta.links,
        size: node.meta.size,
        attributes: node
            .meta
            .extended_attributes
            .iter()
            .map(|a| (a.name.clone(), a.value.clone().unwrap_or_default()))
            .collect(),
    }
}

/// The library names their type nowhere in public: it is made from the format's own form.
fn attributes<T: serde::de::DeserializeOwned>(meta: &Meta) -> Vec<T> {
    let written = |(name, value): &(String, Vec<u8>)| serde_json::json!({ "name": name, "value": BASE64_STANDARD.encode(value) });
    let made = meta.attributes.iter().map(written).map(serde_json::from_value);
    made.filter_map(Result::ok).collect()
}

pub(super) fn kind(node: &Node) -> StoredKind {
    match &node.node_type {
        NodeType::Dir => StoredKind::Dir,
        NodeType::File => StoredKind::File,
        NodeType::Symlink { .. } => StoredKind::Link(node.node_type.to_link().to_owned()),
        other => StoredKind::Other(other.to_string()),
    }
}
