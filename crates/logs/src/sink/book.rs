use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SinkError;
use crate::protocol::Attachment;

/// Version 1 knew no age, total or compression; it is read as without them.
const VERSION: u32 = 2;

/// What is attached, on disk, so that a new sink goes on without the agent.
///
/// It need not outlast a power loss, which ends every writer too: then the agent attaches them anew.
pub struct Book {
    path: PathBuf,
    page: Page,
    /// Something changed since it was written.
    dirty: bool,
}

#[derive(Serialize, Deserialize)]
struct Page {
    version: u32,
    attached: Vec<Attachment>,
}

impl Book {
    pub fn read(path: &Path) -> Result<Self, SinkError> {
        let page = match fs::read(path) {
            // What a power loss may leave of a file that was not flushed.
            Ok(bytes) if bytes.iter().all(|b| *b == 0) => Page { version: VERSION, attached: Vec::new() },
            Ok(bytes) => {
                let page: Page = serde_json::from_slice(&bytes)
                    .map_err(|source| SinkError::Book { path: path.to_owned(), source })?;
                if page.version > VERSION {
                    let version = page.version;
                    return Err(SinkError::Newer { path: path.to_owned(), version, known: VERSION });
                }
                Page { version: VERSION, ..page }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Page { version: VERSION, attached: Vec::new() },
            Err(e) => return Err(SinkError::at("read", path)(e)),
        };
        Ok(Self { path: path.to_owned(), page, dirty: false })
    }

    pub fn attached(&self) -> &[Attachment] {
        &self.page.attached
    }

    pub fn put(&mut self, attachment: Attachment) {
        if self.page.attached.contains(&attachment) {
            return;
        }
        self.page.attached.retain(|a| a.service != attachment.service);
        self.page.attached.push(attachment);
        self.dirty = true;
    }

    pub fn remove(&mut self, service: &str) {
        self.page.attached.retain(|a| a.service != service);
        self.dirty = true;
    }

    /// Writes what changed. A failure leaves it to be written the next time.
    pub fn write(&mut self) -> Result<(), SinkError> {
        if !self.dirty {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self.page)
            .map_err(|source| SinkError::Book { path: self.path.clone(), source })?;
        steady_disk::write_atomic_until_reboot(&self.path, &bytes, 0o600)?;
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_model::config::Rotation;

    use super::*;

    /// Version 1 as the first release wrote it.
    const V1: &str = r#"{"version":1,"attached":[
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5}]}"#;
    const V2: &str = r#"{"version":2,"attached":[
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5,
         "max_age":{"secs":86400,"nanos":0},"total_bytes":50000000,"compress":true}]}"#;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.json");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_book_of_version_1_is_understood_and_written_as_version_2() {
        let (_dir, path) = written(V1);
        let mut book = Book::read(&path).unwrap();
        let rotation = book.attached()[0].rotation;
        let expected =
            Rotation { max_bytes: 10_000_000, keep: 5, max_age: None, total_bytes: None, compress: false };
        assert_eq!(rotation, expected);
        let more = Attachment { rotation: Rotation { keep: 9, ..rotation }, ..book.attached()[0].clone() };
        book.put(more.clone());
        book.write().unwrap();
        let again = Book::read(&path).unwrap();
        assert_eq!((again.page.version, again.attached()), (2, [more].as_slice()));
        assert!(fs::read_to_string(&path).unwrap().contains("\"version\":2"));
    }

    #[test]
    fn a_book_of_version_2_is_understood() {
        let (_dir, path) = written(V2);
        let rotation = Book::read(&path).unwrap().attached()[0].rotation;
        let expected = Rotation {
            max_bytes: 10_000_000,
            keep: 5,
            max_age: Some(Duration::from_secs(86400)),
            total_bytes: Some(50_000_000),
            compress: true,
        };
        assert_eq!(rotation, expected);
    }

    #[test]
    fn a_book_that_a_power_loss_emptied_is_an_empty_one() {
        for left in ["", "\0\0\0\0"] {
            let (_dir, path) = written(left);
            assert_eq!(Book::read(&path).unwrap().attached(), []);
        }
    }

    #[test]
    fn a_newer_book_is_refused_and_kept() {
        let (_dir, path) = written(r#"{"version":3,"attached":[]}"#);
        assert!(matches!(Book::read(&path), Err(SinkError::Newer { version: 3, .. })));
        assert!(path.exists());
    }
}
