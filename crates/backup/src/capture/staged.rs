use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Image, Store};
use crate::clock::back_off;
use crate::inspect;
use crate::manifest::{RelPath, StoreClass};

const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);

/// Copies a database that is not in WAL mode into `scratch`, in one step: in these modes a reader blocks the
/// writers, so it may not last.
pub(crate) fn stage(source: &Path, path: &RelPath, scratch: &Path) -> Result<Store, String> {
    let said = |e: rusqlite::Error| reason(&e, scratch);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(path.below(source), flags).map_err(said)?;
    let file = tempfile::Builder::new().prefix("copy-").tempfile_in(scratch).map_err(|e| e.to_string())?;
    let copy = file.into_temp_path();
    let mut into = Connection::open(&copy).map_err(said)?;
    // The copy is thrown away with the process: durability would only cost time.
    into.pragma_update(None, "synchronous", "OFF").map_err(said)?;
    copy_in_one_step(&from, &mut into, scratch)?;
    let mode: String = from.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(said)?;
    drop(from);
    let facts = inspect::facts(&into, mode).map_err(said)?;
    into.close().map_err(|(_, e)| inspect::reason(&e))?;
    let bytes = std::fs::metadata(&copy).map_err(|e| e.to_string())?.len();
    let image = Image::Copied(Arc::new(copy));
    Ok(Store { path: path.clone(), bytes, class: StoreClass::Copied, facts, image })
}

/// The source is only read: a full disk is that of the copy.
fn reason(error: &rusqlite::Error, scratch: &Path) -> String {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return format!("there is no room in {} for a copy of it; free some", scratch.display());
    }
    inspect::reason(error)
}

fn copy_in_one_step(from: &Connection, into: &mut Connection, scratch: &Path) -> Result<(), String> {
    for _ in 0..TRIES {
        let backup = Backup::new(from, into).map_err(|e| reason(&e, scratch))?;
        match backup.step(-1).map_err(|e| reason(&e, scratch))? {
            StepResult::Done => return Ok(()),
            _ => drop(backup),
        }
        back_off(PAUSE);
    }
    Err(format!("it stayed locked by a writer for {} s", (TRIES * PAUSE).as_secs()))
}
