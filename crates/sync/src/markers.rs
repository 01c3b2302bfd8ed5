//! The two marker files on disk; what they mean is `steady_model::marker`'s.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use jiff::tz::TimeZone;
use steady_disk::{DiskError, write_atomic};
use steady_model::job::{Outcome, RunRecord};
use steady_model::marker::{self, Marker, Markers};

/// Longer texts are cut; the time stands at the start.
const READ_LIMIT: u64 = 16 << 10;
/// The first users' own programs read the markers, also as another user.
const MODE: u32 = 0o644;

pub fn read(dir: &Path) -> Markers {
    let zone = TimeZone::system();
    Markers {
        completed: read_one(&dir.join(marker::COMPLETED), |text| marker::parse_completed(text, &zone)),
        failed: read_one(&dir.join(marker::FAILED), |text| marker::parse_failed(text, &zone)),
    }
}

fn read_one(path: &Path, parse: impl FnOnce(&str) -> Marker) -> Marker {
    match read_text(path) {
        Ok(bytes) => parse(&String::from_utf8_lossy(&bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Marker::Absent,
        Err(e) => Marker::Unreadable { why: e.to_string() },
    }
}

fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO of that name would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells a run's outcome in the first users' form. Only a wholly successful run completes; `.sync_failed` stays
/// behind, older than the success, as they leave it.
pub fn write(dir: &Path, record: &RunRecord) -> Result<(), DiskError> {
    let zone = TimeZone::system();
    let (name, text) = match &record.outcome {
        Outcome::Succeeded => (marker::COMPLETED, marker::format_completed(record.ended, &zone)),
        other => {
            let message = match other.why() {
                Some(why) => format!("{}: {why}", other.word()),
                None => other.word().to_owned(),
            };
            (marker::FAILED, marker::format_failed(record.ended, &message, &zone))
        }
    };
    write_atomic(&dir.join(name), text.as_bytes(), MODE)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use steady_model::time::WallTime;

    use super::*;

    fn record(outcome: Outcome) -> RunRecord {
        let at = WallTime("2026-02-24T20:00:03.123456789Z".parse().unwrap());
        let (id, job) = ("01".to_owned(), "sync".to_owned());
        RunRecord {
            id,
            job,
            started: at,
            ended: at,
            outcome,
            exit: None,
            milestones: vec![],
            tail: vec![],
            slot: None,
            part: None,
        }
    }

    #[test]
    fn a_success_and_a_failure_are_read_back_and_readable_by_others() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Markers::default());
        write(dir.path(), &record(Outcome::Succeeded)).unwrap();
        let at = WallTime("2026-02-24T20:00:03.123456Z".parse().unwrap());
        let completed = Marker::At { at, message: None };
        assert_eq!(read(dir.path()), Markers { completed: completed.clone(), failed: Marker::Absent });

        write(dir.path(), &record(Outcome::Failed { why: "exit code 3:\nboom".into() })).unwrap();
        let failed = Marker::At { at, message: Some("failed: exit code 3: boom".into()) };
        assert_eq!(read(dir.path()), Markers { completed, failed });
        let mode = fs::metadata(dir.path().join(marker::FAILED)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn a_partial_run_does_not_complete() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &record(Outcome::Partial { why: "inbox_complete: failed 1".into() })).unwrap();
        let markers = read(dir.path());
        assert_eq!(markers.completed, Marker::Absent);
        assert!(
            matches!(markers.failed, Marker::At { message: Some(m), .. } if m == "partial: inbox_complete: failed 1")
        );
    }

    #[test]
    fn what_is_no_readable_file_is_unreadable_and_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(marker::COMPLETED)).unwrap();
        fs::write(dir.path().join(marker::FAILED), vec![0xff; 1 << 20]).unwrap();
        let markers = read(dir.path());
        assert!(
            matches!(&markers.completed, Marker::Unreadable { why } if why.contains("not a regular file"))
        );
        assert!(matches!(markers.failed, Marker::Unreadable { .. }));
    }
}
