//! What a restore point says about itself, stored inside it as `steady/manifest.json`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_model::backup::{PointKind, RestorePoint, StoreEntry, TableRows};
use steady_model::time::WallTime;

/// The format of the manifest that this Steady writes, and the newest it reads.
pub const VERSION: u32 = 2;
/// The data directory's place in a snapshot.
pub const DATA: &str = "data";
/// What was known at the cut, before any file was read: the first entry of a snapshot. Its folder sorts before
/// [`DATA`]. A [`Manifest`] without files and hashes: those are known when all was read, and are in [`MANIFEST`].
pub const CUT: &str = "cut/manifest.json";
/// Dumps of database servers, `postgres/NAME.dump`.
pub const DUMPS: &str = "postgres";
/// The manifest's place in a snapshot. Its folder sorts after [`DATA`]: it is written when all data was read.
pub const MANIFEST: &str = "steady/manifest.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// The Steady that wrote it.
    pub program: String,
    pub kind: PointKind,
    /// The common cut of the databases.
    pub taken: WallTime,
    /// How long the databases' writers were held for the cut.
    pub barrier_micros: u64,
    pub stores: Vec<StoreFile>,
    pub files: Vec<PlainFile>,
    pub links: Vec<Link>,
    pub folders: Vec<RelPath>,
    /// What should be here and is not: the point is incomplete.
    pub missing: Vec<Omission>,
    /// What a backup cannot hold: sockets, devices, pipes.
    pub skipped: Vec<Omission>,
    /// Since format 2, as the two below.
    #[serde(default)]
    pub dumps: Vec<Dump>,
    /// Circumstances of the moment: a job that ran, services that were stopped.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Files and bytes as found by the scan.
    #[serde(default)]
    pub scanned: Scanned,
    /// The folder it was taken in from, of a copy that something else had made. Additive to format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scanned {
    pub files: u64,
    pub bytes: u64,
}

/// A database of a server, as `pg_dump -Fc` wrote it to `postgres/NAME.dump`. It has its own moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    pub name: String,
    pub taken: WallTime,
    pub bytes: u64,
    pub sha256: String,
    /// As `pg_restore` reads them from the dump.
    pub server_version: String,
    pub database: String,
    /// Tables with their data, `schema.table`, sorted.
    pub tables: Vec<String>,
    /// At the very moment of the dump.
    #[serde(default, skip_serializing_if = "RowsAtCut::is_unknown")]
    pub rows: RowsAtCut,
}

/// What a drill compares with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsAtCut {
    /// The dump was taken by a Steady that did not count.
    #[default]
    Unknown,
    /// By `schema.table`, sorted.
    Counted(Vec<TableRows>),
    /// Why not.
    Uncounted(String),
}

impl RowsAtCut {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl Dump {
    /// Its place in a snapshot.
    pub fn place(&self) -> String {
        format!("{DUMPS}/{}.dump", self.name)
    }
}

/// A database as it was at the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFile {
    pub path: RelPath,
    pub bytes: u64,
    pub sha256: String,
    /// How it was read. Since format 2.
    #[serde(default)]
    pub class: StoreClass,
    pub facts: StoreFacts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreClass {
    /// At the common cut, from a pinned read transaction.
    #[default]
    Wal,
    /// A copy in one step, right after the cut.
    Copied,
    /// A copy that fits its index files, right after the cut.
    Chroma,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFacts {
    /// As SQLite names it: `wal`, `delete`.
    pub journal_mode: String,
    pub page_size: u32,
    pub user_version: i64,
    pub application_id: i64,
    /// Changes with each change of the tables' definitions. Since format 2.
    #[serde(default)]
    pub schema_version: i64,
    pub rows: Vec<TableRows>,
    /// Why the rows are not known; the bytes are kept all the same.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainFile {
    pub path: RelPath,
    pub bytes: u64,
    pub sha256: String,
    /// Since format 2, as `same_as`.
    #[serde(default, skip_serializing_if = "PlainClass::is_plain")]
    pub class: PlainClass,
    /// Another name of this file: the two are one file (a hard link).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<RelPath>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlainClass {
    #[default]
    Plain,
    /// True up to the size it had.
    Log,
    /// Copied while none of its group changed.
    Index,
}

impl PlainClass {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub path: RelPath,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omission {
    /// As shown to people; not UTF-8 names are replaced where they are not.
    pub path: String,
    pub why: String,
}

impl Omission {
    pub fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.to_string_lossy().into_owned(), why: why.into() }
    }
}

impl std::fmt::Display for Omission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        let stores = self.stores.iter().map(|s| s.bytes);
        let dumps = self.dumps.iter().map(|d| d.bytes);
        stores.chain(self.files.iter().map(|f| f.bytes)).chain(dumps).sum()
    }

    /// The restore point as the catalogue shows it, before anybody read it back.
    pub fn point(&self, id: String, added: u64) -> RestorePoint {
        RestorePoint {
            id,
            taken: self.taken,
            verified: None,
            kind: self.kind,
            bytes: self.bytes(),
            files: (self.stores.len() + self.files.len() + self.links.len() + self.dumps.len()) as u64,
            added,
            missing: self.missing.iter().map(ToString::to_string).collect(),
            notes: self.notes.clone(),
            findings: Vec::new(),
            reading: None,
            stores: self.stores.iter().map(|s| s.entry("not checked yet".to_owned())).collect(),
            imported: self.imported.clone(),
        }
    }
}

impl StoreFile {
    pub fn entry(&self, integrity: String) -> StoreEntry {
        StoreEntry {
            path: self.path.to_string(),
            bytes: self.bytes,
            rows: self.facts.rows.clone(),
            integrity,
        }
    }
}

/// A path below the data directory that can never lead out of it.
///
/// In JSON a string; `{"hex": "…"}` when it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RelPath(PathBuf);

impl RelPath {
    /// `None` when a component is anything but a name.
    pub fn new(path: &Path) -> Option<Self> {
        let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
        (plain && path.components().next().is_some()).then(|| Self(path.components().collect()))
    }

    pub fn as_path(&self) -> &Path {
        &self.0
    }

    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

impl std::fmt::Display for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.to_string_lossy().fmt(f)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Raw { hex: String },
}

impl From<RelPath> for Written {
    fn from(path: RelPath) -> Self {
        match path.0.into_os_string().into_string() {
            Ok(text) => Self::Text(text),
            Err(raw) => Self::Raw { hex: hex(raw.as_bytes()) },
        }
    }
}

impl TryFrom<Written> for RelPath {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let (path, shown) = match written {
            Written::Text(text) => (PathBuf::from(&text), text),
            Written::Raw { hex } => {
                let raw = unhex(&hex).ok_or_else(|| format!("`{hex}` is not hexadecimal"))?;
                (PathBuf::from(OsString::from_vec(raw)), hex)
            }
        };
        Self::new(&path).ok_or_else(|| format!("`{shown}` leads out of the data directory"))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |n, d| n * 16 + d)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_data_directory_is_refused() {
        for bad in [
            "\"/etc/passwd\"",
            "\"../x\"",
            "\"a/../../x\"",
            "\"\"",
            "{\"hex\":\"2f657463\"}",
            "{\"hex\":\"2\"}",
        ] {
            assert!(serde_json::from_str::<RelPath>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<RelPath>("\"a/b.db\"").unwrap().as_path(), Path::new("a/b.db"));
    }

    #[test]
    fn a_name_that_is_not_utf8_survives_the_manifest() {
        let name = RelPath::new(Path::new(&OsString::from_vec(vec![b'a', 0xff, b'b']))).unwrap();
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, r#"{"hex":"61ff62"}"#);
        assert_eq!(serde_json::from_str::<RelPath>(&json).unwrap(), name);
    }

    #[test]
    fn a_manifest_of_format_1_is_still_read() {
        let text = include_str!("../tests/fixtures/manifest-1.json");
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.version, 1);
        assert_eq!(manifest.stores.first().unwrap().facts.rows.first().unwrap().rows, 2);
        assert_eq!(manifest.files.first().unwrap().class, PlainClass::Plain);
        assert!(manifest.dumps.is_empty() && manifest.notes.is_empty());
    }

    #[test]
    fn a_manifest_of_format_2_is_read_and_written_without_a_change() {
        let text = include_str!("../tests/fixtures/manifest-2.json");
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.dumps.first().unwrap().tables, ["public.documents"]);
        assert_eq!(
            manifest.dumps.first().unwrap().rows,
            RowsAtCut::Unknown,
            "it is of before rows were counted"
        );
        let rows = vec![TableRows { table: "public.outbox".to_owned(), rows: 3 }];
        let last: Vec<_> = manifest.dumps.iter().skip(1).map(|d| d.rows.clone()).collect();
        assert_eq!(last, [RowsAtCut::Counted(rows), RowsAtCut::Uncounted("no psql".to_owned())]);
        let again = serde_json::to_string_pretty(&manifest).unwrap();
        assert_eq!(
            again.trim(),
            text.trim(),
            "the format changed: raise VERSION and keep reading the old one"
        );
    }
}
