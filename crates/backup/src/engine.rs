//! The engine process: one request on stdin, event lines on stdout, low priority, gone when its work is done.

use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use steady_disk::{FileLock, Holder, LockError, create_private_dir};
use steady_model::backup::PointKind;
use zeroize::Zeroizing;

use crate::capture::{Classes, Exclude, Root, Wanted};
use crate::error::BackupError;
use crate::events::{Events, send};
use crate::manifest::{CUT, MANIFEST};
use crate::priority::be_nice;
use crate::protocol::{CaptureRequest, Code, Command, Compared, Done, Event, Request, Taken};
use crate::repository::{Entries, Repository};
use crate::{browse, compare, copy, difference, dump, load, older, quiet, stage, verify};

/// The whole life of `steady engine`; call it first thing in `main`, before any thread starts.
pub fn engine_main() -> ExitCode {
    steady_footprint::keep_at_hand();
    let events = Arc::new(Events::default());
    let asked = read_request().and_then(|request| {
        be_nice(request.nice);
        Ok((request, read_key()?))
    });
    let code = match asked.and_then(|(request, key)| work(&request, &key, &events)) {
        Ok(done) => {
            let code = done.code();
            send(&Event::Done(done));
            code
        }
        Err(error) => {
            let code = code_of(&error);
            send(&Event::Failed { code, message: error.to_string() });
            code
        }
    };
    ExitCode::from(code.exit())
}

fn code_of(error: &BackupError) -> Code {
    match error {
        BackupError::Locked(_) | BackupError::ReadByRestic { .. } => Code::Locked,
        BackupError::NoSuchPoint { .. } | BackupError::NotInPoint { .. } => Code::Absent,
        BackupError::Untrusted { .. } | BackupError::CopyIncomplete { .. } => Code::Corrupt,
        BackupError::CopyAbsent { .. } => Code::Away,
        BackupError::Remote(error) if error.is_away() => Code::Away,
        _ => Code::Failed,
    }
}

fn read_request() -> Result<Request, BackupError> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|source| BackupError::EnginePipe { doing: "could not read its request", source })?;
    serde_json::from_str(&line)
        .map_err(|e| BackupError::EnginePipe { doing: "could not understand its request", source: e.into() })
}

/// Follows the request.
fn read_key() -> Result<Zeroizing<String>, BackupError> {
    let mut key = Zeroizing::new(String::new());
    let read = io::stdin().lock().read_line(&mut key);
    read.map_err(|source| BackupError::EnginePipe { doing: "could not read the key", source })?;
    let end = key.trim_end().len();
    key.truncate(end);
    Ok(key)
}

fn work(request: &Request, secret: &str, events: &Arc<Events>) -> Result<Done, BackupError> {
    let Request { repository, key, scratch, from, command, .. } = request;
    match command {
        Command::InitCopy(to) => return copy::init(request, secret, to),
        Command::Copy { point, to } => return copy::copy(request, secret, point, to, events),
        Command::Identify => return Ok(Done::Identity(Repository::open(repository, secret, key)?.id())),
        Command::DropDatabases(left) => return Ok(Done::Dropped(load::drop_all(left))),
        _ => {}
    }
    if let Some(from) = from {
        events.phase("opening the copy", 0);
        return copy::read_from(request, secret, from, |opened| perform(opened, request, events));
    }
    let _lock = lock(repository, command)?;
    // Under the lock nobody else can have files there: what is left is of an engine that was killed.
    empty(scratch)?;
    if let Command::Init { source } = command {
        return init(repository, secret, source);
    }
    events.phase("opening the repository", 0);
    if let Command::Prune { points } = command {
        let _no_copies = copy::keep_out(repository)?;
        let opened = Repository::open_to_prune(repository, secret, key, events)?;
        let (removed, freed) = opened.remove(points)?;
        return Ok(Done::Pruned { removed, freed });
    }
    perform(Repository::open(repository, secret, key)?, request, events)
}

fn perform(opened: Repository, request: &Request, events: &Arc<Events>) -> Result<Done, BackupError> {
    let Request { scratch, command, .. } = request;
    match command {
        // Done above.
        Command::Init { .. }
        | Command::Prune { .. }
        | Command::InitCopy(_)
        | Command::Copy { .. }
        | Command::Identify
        | Command::DropDatabases(_) => Ok(Done::Initialised),
        Command::Backup { source, exclude, kind, capture } => {
            backup(opened, source, exclude, *kind, capture, scratch, events)
        }
        Command::Import { from, taken, exclude, classes } => {
            let older = older::Wanted { from, taken: *taken, exclude, classes };
            older::take_in(opened, &older, scratch, events)
        }
        Command::List => list(opened),
        Command::Verify { point, slice } => {
            let contents = opened.contents()?;
            verify::from_repository(&contents, point, *slice, scratch, events).map(Done::Verdict)
        }
        Command::Stage { point, into, only } => {
            let contents = opened.contents()?;
            let manifest = verify::manifest(&contents, point)?;
            if let Some(absent) = only.absent(&manifest) {
                return Err(BackupError::NotInPoint { id: point.clone(), path: absent.to_string() });
            }
            events.phase_of("writing the restored data", only.bytes(&manifest), only.files(&manifest));
            let written = stage::stage(&contents, point, into, only, events)?;
            Ok(Done::Staged { files: written.files, bytes: written.bytes })
        }
        Command::LoadDumps { point, into } => {
            load::load_all(&opened.contents()?, point, into, scratch, events).map(Done::Loaded)
        }
        Command::CheckStaged { point, root, only } => {
            let manifest = verify::manifest(&opened.contents()?, point)?;
            events.phase_of("checking the restored data", only.bytes(&manifest), only.files(&manifest));
            verify::staged(&manifest, root, only, events).map(Done::Verdict)
        }
        Command::Compare { point, source, exclude, only } => {
            let manifest = verify::manifest(&opened.contents()?, point)?;
            let lost = compare::lost(&manifest, source, only, &Exclude::new(exclude)?);
            let absent = only.absent(&manifest).map(ToString::to_string);
            Ok(Done::Compared(Compared { bytes: only.bytes(&manifest), lost, absent }))
        }
        Command::Ids => opened.ids().map(Done::Ids),
        Command::Prunable { points } => opened.freed_without(points).map(|frees| Done::Prunable { frees }),
        Command::Files { point, path } => {
            let path = path.as_ref().map_or(Path::new(""), |path| path.as_path());
            browse::folder(&opened.contents()?, point, path).map(Done::Files)
        }
        Command::Differ { before, after } => {
            let contents = opened.contents()?;
            let (old, new) = (verify::manifest(&contents, before)?, verify::manifest(&contents, after)?);
            Ok(Done::Difference(difference::between((before, &old), (after, &new))))
        }
    }
}

/// `None` where a disk is read-only and nobody ever locked it.
fn lock(repository: &Path, command: &Command) -> Result<Option<FileLock>, BackupError> {
    let what = match command {
        Command::Init { .. } => "creating the repository",
        Command::InitCopy(_) | Command::Copy { .. } => "a copy",
        Command::Backup { .. } => "a backup",
        Command::Import { .. } => "an import",
        Command::List
        | Command::Compare { .. }
        | Command::Identify
        | Command::Ids
        | Command::Prunable { .. }
        | Command::Files { .. }
        | Command::Differ { .. } => "a listing",
        Command::Prune { .. } => "a removal of old restore points",
        Command::Verify { .. } => "a verification",
        Command::LoadDumps { .. } | Command::DropDatabases(_) => "a drill",
        Command::Stage { .. } | Command::CheckStaged { .. } => "a restore",
    };
    let holder = Holder {
        pid: std::process::id(),
        what: what.to_owned(),
        since: steady_clock::now().wall.to_string(),
    };
    let mut path = repository.as_os_str().to_owned();
    path.push(".lock");
    let path = Path::new(&path);
    match FileLock::try_acquire(path, &holder) {
        Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            if !command.only_reads() {
                return Err(BackupError::RepositoryReadOnly { path: repository.to_owned() });
            }
            Ok(FileLock::try_share(path)?)
        }
        Err(LockError::Io { path, source }) => {
            Err(BackupError::Io { action: "open the lock file of the repository,", path, source })
        }
        locked => Ok(Some(locked?)),
    }
}

fn empty(scratch: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(scratch) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(BackupError::io("empty", scratch)(e)),
        _ => Ok(create_private_dir(scratch)?),
    }
}

/// Built beside its place and renamed into it: a half-created repository could open with the wrong key.
fn init(repository: &Path, secret: &str, source: &Path) -> Result<Done, BackupError> {
    let mut beside = repository.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    empty(beside)?;
    let files = walkdir::WalkDir::new(source).into_iter().filter_map(|e| e.ok()?.metadata().ok());
    let data_bytes = files.filter(std::fs::Metadata::is_file).map(|m| m.len()).sum();
    Repository::init(beside, secret, data_bytes)?;
    std::fs::rename(beside, repository)
        .map_err(BackupError::io("put in place the new repository", repository))?;
    steady_disk::fsync_dir(repository.parent().unwrap_or(repository))?;
    Ok(Done::Initialised)
}

fn backup(
    repository: Repository,
    source: &Path,
    exclude: &[String],
    kind: PointKind,
    request: &CaptureRequest,
    scratch: &Path,
    events: &Arc<Events>,
) -> Result<Done, BackupError> {
    if !request.dumps.is_empty() {
        events.phase("dumping the databases of PostgreSQL", 0);
    }
    let dumps = dump::dump_all(&request.dumps, scratch, |bytes| events.advance(bytes));
    let wanted = Wanted {
        source,
        exclude: &Exclude::new(exclude)?,
        classes: &Classes::new(&request.classes)?,
        scratch,
        kind,
        dumps,
        notes: request.notes.clone(),
        older: None,
    };
    events.phase("taking a common cut of the databases", 0);
    let root = Root::of(source);
    let capture = quiet::capture(wanted, request.quiesce, events)?;
    events.phase_of("copying the data", capture.total_bytes, capture.total_files);
    let tag = match kind {
        PointKind::Manual => "manual",
        PointKind::Scheduled => "scheduled",
        PointKind::Safety => "safety",
    };
    let counter = Arc::clone(events);
    let entries: Entries = Box::new(capture.entries.map(move |entry| {
        // What we say of the data ourselves is none of them.
        let ours = [CUT, MANIFEST].iter().any(|own| entry.path == Path::new(own));
        if ours { entry } else { counter.count(entry) }
    }));
    let appended = repository.append(entries, source, capture.taken.0, tag)?;
    let manifest = capture.ledger.finished()?;
    root.still_there(source)?;
    let point = manifest.point(appended.id, appended.added);
    Ok(Done::Taken(Box::new(Taken { point, barrier_micros: manifest.barrier_micros })))
}

fn list(repository: Repository) -> Result<Done, BackupError> {
    let contents = repository.contents()?;
    let mut points = Vec::new();
    for (id, added) in contents.snapshots()? {
        // Snapshots of another program have no manifest of ours, and are none of our business.
        match verify::manifest(&contents, &id) {
            Ok(manifest) => points.push(manifest.point(id, added)),
            Err(BackupError::Repository { .. } | BackupError::Format { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Done::Points(points))
}
