//! The vault: a folder of Markdown notes that belongs to the user.
//!
//! Reads notes and adds captures to `Inbox/`; never changes or removes a file. Symbolic links below the
//! root are not followed, so that neither a loop nor a link out of the vault is ever walked.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use rustix::fs::Access;
use steady_disk::{DiskError, fsync_dir, write_atomic};
use walkdir::{DirEntry, WalkDir};

/// Larger notes are not indexed: a database dump with the name `.md` must not fill the memory.
pub const MAX_NOTE_BYTES: u64 = 10 * 1024 * 1024;
const INBOX: &str = "Inbox";

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("vault path not configured or not found: {}; create it or correct --vault (BRAIN_VAULT)", path.display())]
    Missing { path: PathBuf },
    #[error("the vault {} is not a directory; correct --vault (BRAIN_VAULT)", path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot read the vault {}: {source}; check its permissions (on macOS: Full Disk Access)", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the vault {} is empty, the index knows {known} notes; is its volume mounted? If they are meant to be gone, re-index with full_rebuild", path.display())]
    Emptied { path: PathBuf, known: usize },
    #[error("cannot create {}: {source}; check the vault's permissions and free space", path.display())]
    CreateInbox { path: PathBuf, source: io::Error },
    #[error("cannot keep the capture: {0}; check the vault's permissions and free space")]
    Write(#[from] DiskError),
}

#[derive(Debug, Clone)]
pub struct Vault {
    root: PathBuf,
}

/// One note file as the walk saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteFile {
    /// Relative to the root, with `/`.
    pub path: String,
    pub mtime_ns: i64,
    pub size: u64,
}

/// Why a note is not in the index.
#[derive(Debug)]
pub enum Skip {
    /// Its content can never be indexed as it is: an older version leaves the index.
    NotUtf8,
    TooLarge {
        bytes: u64,
    },
    NameNotUtf8,
    /// It could not be read now: what is known of it stays.
    Unreadable(io::Error),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("it is not UTF-8 text; convert it to be found"),
            Self::TooLarge { bytes } => write!(f, "it has {bytes} bytes, the limit is {MAX_NOTE_BYTES}"),
            Self::NameNotUtf8 => f.write_str("its name is not UTF-8; rename it to be found"),
            Self::Unreadable(e) => write!(f, "it cannot be read: {e}"),
        }
    }
}

/// The result of one walk.
#[derive(Debug, Default)]
pub struct Scan {
    pub notes: Vec<NoteFile>,
    pub skipped: Vec<(String, Skip)>,
    /// Directories (relative, `/` at the end) whose content is unknown: nothing below them counts as removed.
    pub blind: HashSet<String>,
}

impl Vault {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the vault is there and can be listed.
    pub fn probe(&self) -> Result<(), VaultError> {
        let path = || self.root.clone();
        match fs::read_dir(&self.root).and_then(|mut entries| entries.next().transpose()) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(VaultError::Missing { path: path() }),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                Err(VaultError::NotADirectory { path: path() })
            }
            Err(source) => Err(VaultError::Unreadable { path: path(), source }),
        }
    }

    /// As [`Self::probe`] for each request: without a look into a folder of many thousand notes.
    pub fn is_reachable(&self) -> Result<(), VaultError> {
        let allowed = rustix::fs::access(&self.root, Access::READ_OK | Access::EXEC_OK);
        let is_folder = allowed.is_ok() && fs::metadata(&self.root).is_ok_and(|found| found.is_dir());
        // What is wrong is told by the one who looks into it.
        if is_folder { Ok(()) } else { self.probe() }
    }

    /// Walks the vault for notes, hidden files and folders aside.
    pub fn scan(&self) -> Result<Scan, VaultError> {
        self.probe()?;
        let mut scan = Scan::default();
        self.walk(WalkDir::new(&self.root), &mut scan)?;
        Ok(scan)
    }

    /// Looks at these paths, relative to the root, and walks what is below them. What is not there is not seen.
    pub fn scan_paths(&self, paths: &BTreeSet<String>) -> Result<Scan, VaultError> {
        let mut scan = Scan::default();
        // What lies below another of them is walked with that one.
        let below = |path: &str| {
            Path::new(path).ancestors().skip(1).any(|a| a.to_str().is_some_and(|a| paths.contains(a)))
        };
        for path in paths.iter().filter(|path| self.would_be_walked(path) && !below(path)) {
            self.walk(WalkDir::new(self.root.join(path)).follow_root_links(false), &mut scan)?;
        }
        Ok(scan)
    }

    /// Whether a walk from the root would come there: by no hidden folder, no link, no way up.
    fn would_be_walked(&self, path: &str) -> bool {
        let path = Path::new(path);
        let plain = path.components().all(|part| match part {
            Component::Normal(name) => !is_hidden_name(name),
            _ => false,
        });
        let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        plain && above.into_iter().all(|above| !self.root.join(above).is_symlink())
    }

    fn walk(&self, walk: WalkDir, scan: &mut Scan) -> Result<(), VaultError> {
        let walk = walk.sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|e| e.depth() == 0 || !is_hidden(e)) {
            match entry {
                Ok(entry) => self.look_at(&entry, scan),
                // It went away before it was looked at.
                Err(e)
                    if e.depth() == 0
                        && e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {}
                Err(e) => {
                    let path = e.path().unwrap_or(&self.root).to_owned();
                    let what = e.to_string();
                    let source = e.into_io_error().unwrap_or_else(|| io::Error::other(what));
                    if path == self.root {
                        return Err(VaultError::Unreadable { path, source });
                    }
                    let name = self.relative(&path).unwrap_or_else(|lossy| lossy);
                    scan.blind.insert(format!("{name}/"));
                    scan.skipped.push((name, Skip::Unreadable(source)));
                }
            }
        }
        Ok(())
    }

    fn look_at(&self, entry: &DirEntry, scan: &mut Scan) {
        if !entry.file_type().is_file() || !is_markdown(entry.path()) {
            return;
        }
        match self.relative(entry.path()) {
            Err(lossy) => scan.skipped.push((lossy, Skip::NameNotUtf8)),
            Ok(path) => match entry.metadata() {
                Ok(meta) => {
                    let mtime_ns =
                        meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
                    scan.notes.push(NoteFile { path, mtime_ns, size: meta.len() });
                }
                Err(e) => {
                    scan.blind.insert(path.clone());
                    let what = e.to_string();
                    let source = e.into_io_error().unwrap_or_else(|| io::Error::other(what));
                    scan.skipped.push((path, Skip::Unreadable(source)));
                }
            },
        }
    }

    fn relative(&self, path: &Path) -> Result<String, String> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        relative.to_str().map(str::to_owned).ok_or_else(|| relative.to_string_lossy().into_owned())
    }

    /// The text of a note, if it can be indexed.
    pub fn read(&self, note: &NoteFile) -> Result<String, Skip> {
        if note.size > MAX_NOTE_BYTES {
            return Err(Skip::TooLarge { bytes: note.size });
        }
        let file = File::open(self.root.join(&note.path)).map_err(Skip::Unreadable)?;
        let mut bytes = Vec::new();
        // The file may grow between the walk and here.
        file.take(MAX_NOTE_BYTES + 1).read_to_end(&mut bytes).map_err(Skip::Unreadable)?;
        match u64::try_from(bytes.len()) {
            Ok(read) if read <= MAX_NOTE_BYTES => String::from_utf8(bytes).map_err(|_| Skip::NotUtf8),
            _ => Err(Skip::TooLarge { bytes: MAX_NOTE_BYTES + 1 }),
        }
    }

    /// Keeps a capture as a new note in `Inbox/` and returns its path relative to the root.
    ///
    /// `id` makes the name unique: no capture may replace another one of the same moment.
    pub fn save_capture(&self, capture: &Capture<'_>, id: i64, at: Timestamp) -> Result<String, VaultError> {
        self.probe()?;
        let inbox = self.root.join(INBOX);
        match fs::DirBuilder::new().mode(0o700).create(&inbox) {
            Ok(()) => fsync_dir(&self.root)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(VaultError::CreateInbox { path: inbox, source }),
        }
        let stamp = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S").to_string();
        let name = format!("{stamp}-{id}-{}.md", slug(capture.title));
        write_atomic(&inbox.join(&name), capture.note_text(at).as_bytes(), 0o600)?;
        Ok(format!("{INBOX}/{name}"))
    }
}

/// Something a person wants to keep: one line of title, any text.
#[derive(Debug, Clone, Copy)]
pub struct Capture<'a> {
    pub title: &'a str,
    pub text: &'a str,
}

impl Capture<'_> {
    fn note_text(&self, at: Timestamp) -> String {
        // A JSON string is a YAML string too, so no title can break out of the front matter.
        let title = serde_json::Value::from(self.title);
        format!("---\ntitle: {title}\ncaptured: {at:.0}\ntags: [inbox]\n---\n\n{}\n", self.text.trim_end())
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    is_hidden_name(entry.file_name())
}

pub fn is_hidden_name(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

pub fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("md") || e.eq_ignore_ascii_case("markdown"))
}

/// A file name's part from a title: letters and digits, `-` between, at most 40 characters.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || matches!(c, '-' | '_')) {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let short: String = slug.chars().take(40).collect();
    let short = short.trim_end_matches('-');
    if short.is_empty() { "note".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note;

    fn vault() -> (tempfile::TempDir, Vault) {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(dir.path().to_owned());
        (dir, vault)
    }

    fn paths(scan: &Scan) -> Vec<&str> {
        scan.notes.iter().map(|n| n.path.as_str()).collect()
    }

    #[test]
    fn the_walk_sees_notes_and_neither_hidden_folders_nor_links() {
        let (dir, vault) = vault();
        fs::create_dir_all(dir.path().join("b/.obsidian")).unwrap();
        for name in ["a.md", "b/c.MARKDOWN", "b/.obsidian/x.md", "b/picture.png", ".hidden.md"] {
            fs::write(dir.path().join(name), "text").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("b/loop")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("out.md")).unwrap();
        let scan = vault.scan().unwrap();
        assert_eq!(paths(&scan), ["a.md", "b/c.MARKDOWN"]);
        assert!(scan.skipped.is_empty(), "{:?}", scan.skipped);
    }

    #[test]
    fn a_missing_vault_and_a_file_in_its_place_are_told_apart() {
        let (dir, vault) = vault();
        vault.probe().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Vault::new(file).probe(), Err(VaultError::NotADirectory { .. })));
        assert!(matches!(Vault::new(dir.path().join("no")).scan(), Err(VaultError::Missing { .. })));
    }

    #[test]
    fn text_that_is_not_utf8_and_huge_notes_are_refused_by_reason() {
        let (dir, vault) = vault();
        fs::write(dir.path().join("latin.md"), b"caf\xe9").unwrap();
        File::create(dir.path().join("huge.md")).unwrap().set_len(MAX_NOTE_BYTES + 1).unwrap();
        let scan = vault.scan().unwrap();
        let read: Vec<_> = scan.notes.iter().map(|n| vault.read(n)).collect();
        assert!(matches!(read[0], Err(Skip::TooLarge { .. })), "{:?}", read[0]);
        assert!(matches!(read[1], Err(Skip::NotUtf8)), "{:?}", read[1]);
    }

    #[test]
    fn a_capture_reads_back_as_it_was_given_whatever_its_title() {
        let (dir, vault) = vault();
        let at: Timestamp = "2026-11-22T10:00:00.5Z".parse().unwrap();
        let title = "Say \"hi\": ../../etc --- #1";
        let path = vault.save_capture(&Capture { title, text: "---\nbody [[Link]]" }, 7, at).unwrap();
        assert_eq!(path, "Inbox/20261122T100000-7-say-hi-etc-1.md");
        let text = fs::read_to_string(dir.path().join(&path)).unwrap();
        let note = note::parse(&path, &text);
        assert_eq!((note.title.as_str(), note.tags[0].as_str()), (title, "inbox"));
        assert!(text.ends_with("---\nbody [[Link]]\n"), "{text}");
    }

    #[test]
    fn slugs_are_safe_names() {
        assert_eq!(slug("  Grüße, Welt!  "), "grüße-welt");
        assert_eq!(slug("///"), "note");
        assert!(slug(&"long ".repeat(40)).chars().count() <= 40);
    }
}
