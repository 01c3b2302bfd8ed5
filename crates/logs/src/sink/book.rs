use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SinkError;
use crate::protocol::Attachment;

/// 1 knew no age, total or compression; it is read as without them. Up to 2, `sink.json` held all services.
const VERSION: u32 = 3;

/// What is attached, on disk, so that a new sink goes on without the agent: a page per service, since one
/// page for all would be written anew, and grow, with each of a thousand.
///
/// It need not outlast a power loss, which ends every writer too: then the agent attaches them anew.
pub struct Book {
    dir: PathBuf,
    attached: BTreeMap<String, Attachment>,
    /// Of which services the page is to be written, or removed.
    dirty: BTreeSet<String>,
    /// The one page of an earlier version, until all of it stands in pages of this one.
    former: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Page {
    version: u32,
    attached: Attachment,
}

#[derive(Deserialize)]
struct FormerPage {
    version: u32,
    attached: Vec<Attachment>,
}

impl Book {
    pub fn read(home: &Path) -> Result<Self, SinkError> {
        let dir = home.join("sink");
        steady_disk::create_private_dir(&dir)?;
        let former = home.join("sink.json");
        let mut book =
            Self { dir, attached: BTreeMap::new(), dirty: BTreeSet::new(), former: Some(former.clone()) };
        if let Some(page) = read::<FormerPage>(&former)? {
            known(page.version, &former)?;
            page.attached.into_iter().for_each(|attachment| book.put(attachment));
        }
        for entry in fs::read_dir(&book.dir).map_err(SinkError::at("read", &book.dir))? {
            let path = entry.map_err(SinkError::at("read", &book.dir))?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            if let Some(page) = read::<Page>(&path)? {
                known(page.version, &path)?;
                book.dirty.remove(&page.attached.service);
                book.attached.insert(page.attached.service.clone(), page.attached);
            }
        }
        Ok(book)
    }

    pub fn attached(&self) -> impl Iterator<Item = &Attachment> {
        self.attached.values()
    }

    pub fn put(&mut self, attachment: Attachment) {
        if self.attached.get(&attachment.service) != Some(&attachment) {
            self.dirty.insert(attachment.service.clone());
            self.attached.insert(attachment.service.clone(), attachment);
        }
    }

    pub fn remove(&mut self, service: &str) {
        if self.attached.remove(service).is_some() {
            self.dirty.insert(service.to_owned());
        }
    }

    /// Writes what changed. A failure leaves it to be written the next time.
    pub fn write(&mut self) -> Result<(), SinkError> {
        while let Some(service) = self.dirty.first() {
            let path = self.dir.join(format!("{service}.json"));
            if path.parent() != Some(&self.dir) {
                let source = io::Error::new(io::ErrorKind::InvalidInput, "the name of a service is no path");
                return Err(SinkError::at("write", &path)(source));
            }
            match self.attached.get(service) {
                Some(attached) => {
                    let page = Page { version: VERSION, attached: attached.clone() };
                    let bytes = serde_json::to_vec(&page)
                        .map_err(|source| SinkError::Book { path: path.clone(), source })?;
                    steady_disk::write_atomic_until_reboot(&path, &bytes, 0o600)?;
                }
                None => remove(&path)?,
            }
            self.dirty.pop_first();
        }
        if let Some(former) = &self.former {
            remove(former)?;
            self.former = None;
        }
        Ok(())
    }
}

/// `None` when it is not there, or is what a power loss may leave of a file that was not flushed.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, SinkError> {
    match fs::read(path) {
        Ok(bytes) if bytes.iter().all(|b| *b == 0) => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| SinkError::Book { path: path.to_owned(), source }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SinkError::at("read", path)(e)),
    }
}

fn known(version: u32, path: &Path) -> Result<(), SinkError> {
    match version {
        ..=VERSION => Ok(()),
        _ => Err(SinkError::Newer { path: path.to_owned(), version, known: VERSION }),
    }
}

fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SinkError::at("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_model::config::Rotation;

    use super::*;

    /// Versions 1 to 3 as they were written.
    const V1: &str = r#"{"version":1,"attached":[
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5}]}"#;
    const V2: &str = r#"{"version":2,"attached":[
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5,
         "max_age":{"secs":86400,"nanos":0},"total_bytes":50000000,"compress":true}]}"#;
    const V3: &str = r#"{"version":3,"attached":
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5,
         "max_age":{"secs":86400,"nanos":0},"total_bytes":50000000,"compress":true}}"#;

    fn home(file: &str, text: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sink")).unwrap();
        fs::write(dir.path().join(file), text).unwrap();
        dir
    }

    fn attached(home: &tempfile::TempDir) -> Vec<Attachment> {
        Book::read(home.path()).unwrap().attached().cloned().collect()
    }

    #[test]
    fn every_version_is_understood() {
        let bare =
            Rotation { max_bytes: 10_000_000, keep: 5, max_age: None, total_bytes: None, compress: false };
        let full = Rotation {
            max_age: Some(Duration::from_secs(86400)),
            total_bytes: Some(50_000_000),
            compress: true,
            ..bare
        };
        for (file, text, rotation) in
            [("sink.json", V1, bare), ("sink.json", V2, full), ("sink/brain.json", V3, full)]
        {
            let home = home(file, text);
            let found = attached(&home);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!((found[0].service.as_str(), found[0].rotation), ("brain", rotation), "{text}");
        }
    }

    #[test]
    fn an_earlier_book_becomes_pages_and_a_page_counts_for_more() {
        let home = home("sink.json", V2);
        let mut book = Book::read(home.path()).unwrap();
        book.write().unwrap();
        assert!(!home.path().join("sink.json").exists());
        let text = fs::read_to_string(home.path().join("sink/brain.json")).unwrap();
        assert!(text.starts_with(r#"{"version":3"#), "{text}");
        let before = attached(&home);
        assert_eq!(before[0].rotation.total_bytes, Some(50_000_000));
        // A sink that was killed before it removed the earlier one.
        fs::write(home.path().join("sink.json"), V1).unwrap();
        assert_eq!(attached(&home), before);
    }

    #[test]
    fn what_is_detached_leaves_no_page() {
        let home = home("sink/brain.json", V3);
        let mut book = Book::read(home.path()).unwrap();
        book.remove("brain");
        book.write().unwrap();
        assert_eq!(attached(&home), []);
        assert_eq!(fs::read_dir(home.path().join("sink")).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_is_a_path_gets_no_page() {
        let home = home("sink/brain.json", V3);
        let mut book = Book::read(home.path()).unwrap();
        let brain = attached(&home).remove(0);
        book.put(Attachment { service: "../agent".to_owned(), ..brain });
        let error = book.write().unwrap_err().to_string();
        assert!(error.contains("../agent.json"), "{error}");
        assert!(!home.path().join("agent.json").exists());
    }

    #[test]
    fn a_book_that_a_power_loss_emptied_is_an_empty_one() {
        for left in ["", "\0\0\0\0"] {
            for file in ["sink.json", "sink/brain.json"] {
                assert_eq!(attached(&home(file, left)), []);
            }
        }
    }

    #[test]
    fn a_newer_book_is_refused_and_kept() {
        let home = home("sink/brain.json", &V3.replace(r#""version":3"#, r#""version":4"#));
        assert!(matches!(Book::read(home.path()), Err(SinkError::Newer { version: 4, .. })));
        assert!(home.path().join("sink/brain.json").exists());
    }
}
