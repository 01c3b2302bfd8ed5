//! Copies of restore points in another repository, as the engine makes them.
//!
//! A copy only reads the repository, and backups only add to it: they do not wait for each other. What removes from
//! the repository takes [`keep_out`].

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use steady_disk::{FileLock, Holder, create_private_dir, fsync_dir};
use steady_model::config::CopyPlace;
use zeroize::Zeroizing;

use crate::error::BackupError;
use crate::events::Events;
use crate::key::KeyPlace;
use crate::protocol::{CopyTo, Done, Request};
use crate::remote::{Login, Pace, Remote};
use crate::repository::{Repository, Site};

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

/// The place of a copy, and what opens its repository.
struct There {
    site: Site,
    secret: Zeroizing<String>,
    key: KeyPlace,
    /// Which repository must be there.
    id: Option<String>,
}

impl There {
    /// Reaches nothing yet.
    fn new(request: &Request, secret: &str, to: &CopyTo) -> Result<Self, BackupError> {
        let login = to.login_file.as_deref().map(read_login).transpose()?;
        let site = match &to.place {
            CopyPlace::Folder { path, .. } => {
                Site::Folder { path: path.clone(), pace: to.limit.map(|limit| Arc::new(Pace::new(limit))) }
            }
            remote => Site::Remote(Arc::new(Remote::connect(remote, login.as_ref(), to.limit)?)),
        };
        let (secret, key) = match &to.password_file {
            Some(file) => (read_secret(file)?, KeyPlace::File(file.clone())),
            None => (Zeroizing::new(secret.to_owned()), request.key.clone()),
        };
        Ok(Self { site, secret, key, id: to.id.clone() })
    }

    /// What a far place said counts for more than what the library makes of it.
    fn told<T>(&self, result: Result<T, BackupError>) -> Result<T, BackupError> {
        match (result, &self.site) {
            (
                Err(error @ (BackupError::Repository { .. } | BackupError::Index { .. })),
                Site::Remote(remote),
            ) => Err(remote.broken().map_or(error, BackupError::Remote)),
            (result, _) => result,
        }
    }

    fn open(&self) -> Result<Repository, BackupError> {
        let place = self.site.shown();
        if !self.site.holds_one()? {
            return Err(match &self.site {
                Site::Folder { .. } => BackupError::CopyAbsent { place },
                Site::Remote(_) => BackupError::CopyGone { place },
            });
        }
        self.opened(Repository::open_at(&self.site, &self.secret, &self.key))
    }

    /// With the steps of a copy told. That it is the right one was seen before.
    fn open_to_copy(&self, events: &Arc<Events>) -> Result<Repository, BackupError> {
        self.opened(Repository::open_to_copy(&self.site, &self.secret, &self.key, events))
    }

    fn opened(&self, opened: Result<Repository, BackupError>) -> Result<Repository, BackupError> {
        let opened = self.told(opened).map_err(|error| match error {
            BackupError::WrongKey { path, .. } => BackupError::CopyPassword { place: path },
            error => error,
        })?;
        if self.id.as_ref().is_some_and(|id| *id != opened.id()) {
            let why = "another repository is there than the one that was set up; run `steady backup copy NAME --init` if that is right";
            return Err(BackupError::CopyPlace { path: self.site.shown(), why });
        }
        Ok(opened)
    }
}

fn read_login(file: &Path) -> Result<Login, BackupError> {
    let text = std::fs::read_to_string(file).map_err(BackupError::io("read the login in", file))?;
    Login::parse(&text).ok_or(BackupError::CopyLogin)
}

fn read_secret(file: &Path) -> Result<Zeroizing<String>, BackupError> {
    let read = std::fs::read_to_string(file).map(Zeroizing::new);
    let mut secret = read.map_err(BackupError::io("read the key of the copy in", file))?;
    let end = secret.trim_end().len();
    secret.truncate(end);
    Ok(secret)
}

pub(crate) fn init(request: &Request, secret: &str, to: &CopyTo) -> Result<Done, BackupError> {
    let _lock = lock(to)?;
    let Request { repository, key, .. } = request;
    let there = There::new(request, secret, to)?;
    let own = Repository::open(repository, secret, key)?;
    let created = match &to.place {
        CopyPlace::Folder { path, same_volume } => {
            create_folder(repository, path, *same_volume, &own, &there.secret)
        }
        _ => create_remote(&there.site, &own, &there.secret),
    };
    there.told(created)?;
    let copy = there.open()?;
    if copy.id() == own.id() {
        let why = "it is the repository itself, or a copy that another program made of its files";
        return Err(BackupError::CopyPlace { path: there.site.shown(), why });
    }
    Ok(Done::CopyReady(copy.id()))
}

/// Never on an empty mount point: the folder that will hold it must be on another volume than the repository.
fn create_folder(
    repository: &Path,
    folder: &Path,
    same_volume: bool,
    own: &Repository,
    secret: &str,
) -> Result<(), BackupError> {
    let place = |why| BackupError::CopyPlace { path: folder.to_owned(), why };
    let holds = folder.parent().unwrap_or(folder);
    let device = |path: &Path| path.metadata().map(|m| m.dev());
    let there = device(holds).map_err(|_| BackupError::CopyAbsent { place: folder.to_owned() })?;
    let here = device(repository).map_err(BackupError::io("look at the repository", repository))?;
    if there == here && !same_volume {
        return Err(place(
            "it is on the volume of the repository itself; attach the disk (and name a folder on it, not its mount point), or say `same_volume = true`",
        ));
    }
    if folder.join("config").exists() {
        return Ok(());
    }
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(place("the folder is not empty and holds no repository; name a new folder"));
    }
    if folder.metadata().is_ok_and(|m| m.dev() != there) {
        return Err(place("it is a mount point; name a folder on that disk"));
    }
    // Built beside its place: one that was half created would never open.
    let new = beside(folder, ".new");
    match std::fs::remove_dir_all(&new) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(BackupError::io("empty", &new)(e)),
        _ => create_private_dir(&new)?,
    }
    own.init_like(&Site::folder(&new), secret)?;
    std::fs::rename(&new, folder).map_err(BackupError::io("put in place the copy", folder))?;
    Ok(fsync_dir(holds)?)
}

fn create_remote(site: &Site, own: &Repository, secret: &str) -> Result<(), BackupError> {
    let Site::Remote(remote) = site else { return Ok(()) };
    if site.holds_one()? {
        return Ok(());
    }
    for folder in ["data", "index", "snapshots"] {
        if !remote.list(folder)?.is_empty() {
            let why =
                "parts of a repository are there, but not its `config`; bring that back, or name a new path";
            return Err(BackupError::CopyPlace { path: site.shown(), why });
        }
    }
    // Of a creation that was cut off: with the key of another one beside its own, a repository would never open.
    for (key, _) in remote.list("keys")? {
        remote.remove(&format!("keys/{key}"))?;
    }
    own.init_like(site, secret)
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
    let there = There::new(request, secret, to)?;
    events.phase("copying a restore point", 0);
    let found = there.open()?;
    let own = Repository::open(repository, secret, key)?.contents()?;
    let found = there.told(own.find_copy(point, &found))?;
    // Of a run that was killed before it could say so.
    if let Some(found) = found {
        let contents = there.told(there.open()?.contents())?;
        if there.told(own.lacks(point, &contents))?.is_none() {
            return Ok(Done::Copied(found));
        }
        there.told(contents.forget(&found))?;
    }
    there.told(own.copy_into(point, &there.site, there.open_to_copy(events)?))?;
    events.phase("proving that all of it arrived", 0);
    let lost =
        |why: String| BackupError::CopyIncomplete { id: point.to_owned(), path: there.site.shown(), why };
    // Opened anew: what the index there says counts, not what was remembered while writing.
    let found = there.told(own.find_copy(point, &there.open()?))?;
    let found = found.ok_or_else(|| lost("it is not listed there".to_owned()))?;
    let contents = there.told(there.open()?.contents())?;
    if let Some(why) = there.told(own.lacks(point, &contents))? {
        there.told(contents.forget(&found))?;
        return Err(lost(why));
    }
    Ok(Done::Copied(found))
}

/// Does what reads from a copy: `work` is given its repository.
pub(crate) fn read_from(
    request: &Request,
    secret: &str,
    from: &CopyTo,
    work: impl FnOnce(Repository) -> Result<Done, BackupError>,
) -> Result<Done, BackupError> {
    let _lock = FileLock::try_share(&from.lock)?;
    let there = There::new(request, secret, from)?;
    let done = work(there.open()?);
    there.told(done)
}
