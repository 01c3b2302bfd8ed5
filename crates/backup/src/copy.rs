//! Copies of restore points in another repository, as the engine makes them.
//!
//! A copy only reads the repository, and backups only add to it: they do not wait for each other. What removes from
//! the repository takes [`keep_out`].

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use steady_disk::{FileLock, Holder, create_private_dir, fsync_dir};

use crate::error::BackupError;
use crate::events::Events;
use crate::protocol::{CopyTo, Done, Request};
use crate::repository::Repository;

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn holder(what: &str) -> Holder {
    let since = steady_clock::now().wall.to_string();
    Holder { pid: std::process::id(), what: what.to_owned(), since }
}

/// Kept while points are removed: copies would lose under their reading what they are to carry away.
pub(crate) fn keep_out(repository: &Path) -> Result<FileLock, BackupError> {
    let holder = holder("a removal of old restore points");
    Ok(FileLock::try_acquire(&beside(repository, ".copying.lock"), &holder)?)
}

fn lock(to: &CopyTo) -> Result<FileLock, BackupError> {
    Ok(FileLock::try_acquire(&to.lock, &holder("a copy"))?)
}

/// Never on an empty mount point: the folder that will hold it must be on another volume than the repository.
pub(crate) fn init(request: &Request, secret: &str, to: &CopyTo) -> Result<Done, BackupError> {
    let _lock = lock(to)?;
    let Request { repository, key, .. } = request;
    let place = |why| BackupError::CopyPlace { path: to.folder.clone(), why };
    let holds = to.folder.parent().unwrap_or(&to.folder);
    let device = |path: &Path| path.metadata().map(|m| m.dev());
    let there = device(holds).map_err(|_| BackupError::CopyAbsent { path: to.folder.clone() })?;
    let here = device(repository).map_err(BackupError::io("look at the repository", repository))?;
    if there == here && !to.same_volume {
        return Err(place(
            "it is on the volume of the repository itself; attach the disk (and name a folder on it, not its mount point), or say `same_volume = true`",
        ));
    }
    let own = Repository::open(repository, secret, key)?;
    if !to.folder.join("config").exists() {
        if std::fs::read_dir(&to.folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(place("the folder is not empty and holds no repository; name a new folder"));
        }
        if to.folder.metadata().is_ok_and(|m| m.dev() != there) {
            return Err(place("it is a mount point; name a folder on that disk"));
        }
        // Built beside its place: one that was half created would never open.
        let new = beside(&to.folder, ".new");
        match std::fs::remove_dir_all(&new) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(BackupError::io("empty", &new)(e));
            }
            _ => create_private_dir(&new)?,
        }
        own.init_like(&new, secret)?;
        std::fs::rename(&new, &to.folder).map_err(BackupError::io("put in place the copy", &to.folder))?;
        fsync_dir(holds)?;
    }
    let copy = Repository::open(&to.folder, secret, key)?;
    if copy.id() == own.id() {
        return Err(place("it is the repository itself, or a copy that another program made of its files"));
    }
    Ok(Done::CopyReady(copy.id()))
}

pub(crate) fn copy(
    request: &Request,
    secret: &str,
    point: &str,
    to: &CopyTo,
    events: &Arc<Events>,
) -> Result<Done, BackupError> {
    let _lock = lock(to)?;
    let Request { repository, key, .. } = request;
    let _reading = FileLock::try_share(&beside(repository, ".copying.lock"))?;
    if !to.folder.join("config").exists() {
        return Err(BackupError::CopyAbsent { path: to.folder.clone() });
    }
    let there = || {
        let opened = Repository::open(&to.folder, secret, key)?;
        if to.id.as_ref().is_some_and(|id| *id != opened.id()) {
            let why = "another repository is there than the one that was set up; run `steady backup copy NAME --init` if that is right";
            return Err(BackupError::CopyPlace { path: to.folder.clone(), why });
        }
        Ok(opened)
    };
    events.phase("copying a restore point", 0);
    let own = Repository::open(repository, secret, key)?.contents()?;
    let arrived = match own.find_copy(point, &there()?)? {
        // Of a run that was killed before it could say so.
        Some(found) if there()?.contents()?.proves(&found).is_ok() => found,
        found => {
            if let Some(half) = found {
                there()?.contents()?.forget(&half)?;
            }
            own.copy_into(point, Repository::open_to_copy(&to.folder, secret, key, events)?)?;
            events.phase("proving that all of it arrived", 0);
            // Opened anew: what the index on the disk says counts, not what was remembered while writing.
            let lost = |why: String| BackupError::CopyIncomplete {
                id: point.to_owned(),
                path: to.folder.clone(),
                why,
            };
            let found =
                own.find_copy(point, &there()?)?.ok_or_else(|| lost("it is not listed there".to_owned()))?;
            let contents = there()?.contents()?;
            if let Err(why) = contents.proves(&found) {
                contents.forget(&found)?;
                return Err(lost(why));
            }
            found
        }
    };
    Ok(Done::Copied(arrived))
}
