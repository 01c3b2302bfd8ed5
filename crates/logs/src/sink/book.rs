use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SinkError;
use crate::protocol::Attachment;

const VERSION: u32 = 1;

/// What is attached, on disk, so that a new sink goes on without the agent.
pub struct Book {
    path: PathBuf,
    page: Page,
}

#[derive(Serialize, Deserialize)]
struct Page {
    version: u32,
    attached: Vec<Attachment>,
}

impl Book {
    pub fn read(path: &Path) -> Result<Self, SinkError> {
        let page = match fs::read(path) {
            Ok(bytes) => {
                let page: Page = serde_json::from_slice(&bytes)
                    .map_err(|source| SinkError::Book { path: path.to_owned(), source })?;
                if page.version > VERSION {
                    let version = page.version;
                    return Err(SinkError::Newer { path: path.to_owned(), version, known: VERSION });
                }
                page
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Page { version: VERSION, attached: Vec::new() },
            Err(e) => return Err(SinkError::at("read", path)(e)),
        };
        Ok(Self { path: path.to_owned(), page })
    }

    pub fn attached(&self) -> &[Attachment] {
        &self.page.attached
    }

    pub fn put(&mut self, attachment: Attachment) -> Result<(), SinkError> {
        if self.page.attached.contains(&attachment) {
            return Ok(());
        }
        self.page.attached.retain(|a| a.service != attachment.service);
        self.page.attached.push(attachment);
        self.write()
    }

    pub fn remove(&mut self, service: &str) -> Result<(), SinkError> {
        self.page.attached.retain(|a| a.service != service);
        self.write()
    }

    fn write(&self) -> Result<(), SinkError> {
        let bytes = serde_json::to_vec_pretty(&self.page)
            .map_err(|source| SinkError::Book { path: self.path.clone(), source })?;
        Ok(steady_disk::write_atomic(&self.path, &bytes, 0o600)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 as the first release wrote it.
    const V1: &str = r#"{"version":1,"attached":[
        {"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10000000,"keep":5}]}"#;

    #[test]
    fn a_book_of_version_1_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.json");
        fs::write(&path, V1).unwrap();
        let mut book = Book::read(&path).unwrap();
        assert_eq!(book.attached()[0].max_bytes, 10_000_000);
        let more = Attachment { keep: 9, ..book.attached()[0].clone() };
        book.put(more.clone()).unwrap();
        assert_eq!(Book::read(&path).unwrap().attached(), [more]);
    }

    #[test]
    fn a_newer_book_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sink.json");
        fs::write(&path, r#"{"version":2,"attached":[]}"#).unwrap();
        assert!(matches!(Book::read(&path), Err(SinkError::Newer { version: 2, .. })));
        assert!(path.exists());
    }
}
