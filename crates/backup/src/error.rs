use std::io;
use std::path::{Path, PathBuf};

use steady_disk::{DiskError, LockError};
use steady_launch::keychain::KeychainError;
use steady_model::backup::RestoreStep;
use steady_model::key::KeptIn;
use steady_model::words::bytes;

use crate::key::KeyPlace;
use crate::protocol::Code;
use crate::remote::RemoteError;

/// What can go wrong with a backup or a restore: what failed, where, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the backup repository is in use: {0}")]
    Locked(#[from] LockError),
    #[error("the backup repository {} failed to {action}: {why}", path.display())]
    Repository { action: &'static str, path: PathBuf, why: String },
    #[error(
        "the index of the backup repository {} is damaged: {why}; no data is lost with it: end the agent \
         (`steady down --keep-services`) and let restic build it anew (`restic rebuild-index`, docs/backup.md)",
        path.display()
    )]
    Index { path: PathBuf, why: String },
    #[error(
        "the key in {key} does not open the backup repository {}; put back the key that belongs to it",
        path.display()
    )]
    WrongKey { path: PathBuf, key: KeyPlace },
    #[error(
        "the backup repository {} exists but its key is gone: the file {} is not there, and of the keychain: \
         {keychain}; put the key from your recovery sheet into that file, or move the repository away to begin a \
         new one",
        path.display(), file.display()
    )]
    KeyMissing { path: PathBuf, file: PathBuf, keychain: String },
    #[error(
        "the key of the backups is kept in the keychain: {source}; `steady backup key --move file` keeps it in a file"
    )]
    Keychain { source: KeychainError },
    #[error(
        "the key of the backups is in the {to} now, but it is also still in {place}: {why}; run `steady backup key --move {to}` again"
    )]
    KeyLeft { to: KeptIn, place: KeyPlace, why: String },
    #[error("the key of the backups is in use: {0}")]
    KeyLocked(LockError),
    #[error(
        "the folder {} for the backup repository does not exist; mount the disk or correct `backup.repository`",
        folder.display()
    )]
    RepositoryPlace { folder: PathBuf },
    #[error(
        "the backup repository {} is not there, and it had restore points ({points}); attach its disk or correct \
         `backup.repository`; to begin a new one there, move {} away",
        path.display(), catalogue.display()
    )]
    RepositoryAbsent { path: PathBuf, points: usize, catalogue: PathBuf },
    #[error(
        "there is not enough room on the disk of the repository {}: {} are free; no restore point in it is lost: \
         free some room there (`steady prune` does in Steady's own repository) and try again",
        path.display(), bytes(*free)
    )]
    RepositoryFull { path: PathBuf, free: u64 },
    #[error(
        "the disk of the repository {} is read-only, so nothing can be added to it or removed from it; make it \
         writable again, and look for the reason: systems do that by themselves to a disk that fails. What is in it \
         can still be had: `steady restore ID --to DIR`",
        path.display()
    )]
    RepositoryReadOnly { path: PathBuf },
    #[error("cannot back up {}: {why}; correct `backup.source`", path.display())]
    Source { path: PathBuf, why: String },
    #[error("cannot back up {}: {why}; try again when it is back", path.display())]
    Vanished { path: PathBuf, why: String },
    #[error("`backup.exclude` has a pattern that cannot be read: {source}")]
    Exclude { source: globset::Error },
    #[error("the restore point is taken, but the services that were stopped for it did not come back: {why}")]
    NotRestarted { why: String },
    #[error("cannot log in to the PostgreSQL database {name} (`backup.postgres.{name}`): {why}")]
    Login { name: String, why: String },
    #[error("the scratch database {database} of an interrupted drill is not dropped: {why}; drop it by hand")]
    ScratchDatabase { database: String, why: String },
    #[error("`backup.classes` has the name {pattern:?}, which cannot be read: {why}")]
    ClassPattern { pattern: String, why: String },
    #[error("there is no restore point {id}; `steady backups` shows those there are")]
    NoSuchPoint { id: String },
    #[error("{path} is not in restore point {id}; `steady backups files {id}` shows what is")]
    NotInPoint { id: String, path: String },
    #[error("{} is no path below the data directory {}", path.display(), source_dir.display())]
    Chosen { path: PathBuf, source_dir: PathBuf },
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(
        "the copy at {} is not there; attach the disk, or correct `backup.copy.NAME.to`", place.display()
    )]
    CopyAbsent { place: PathBuf },
    #[error(
        "there is no repository at {} (any more); look what became of it, or begin a new one with \
         `steady backup copy NAME --init`", place.display()
    )]
    CopyGone { place: PathBuf },
    #[error(
        "`backup.copy.NAME.login` must name two lines: the user and the password, or the key id and the key"
    )]
    CopyLogin,
    #[error("the password does not open the copy at {}; name the one it was made with in `backup.copy.NAME.password`", place.display())]
    CopyPassword { place: PathBuf },
    #[error(
        "the key of the copy {name} is not in {}, nor in the keychain; put it there from your recovery sheet, or name \
         it in `backup.copy.{name}.password`", file.display()
    )]
    CopyKeyMissing { name: String, file: PathBuf },
    #[error("cannot use what `backup.copy.{name}.{key}` names: {why}")]
    CopySecret { name: String, key: &'static str, why: String },
    #[error("cannot keep copies at {}: {why}", path.display())]
    CopyPlace { path: PathBuf, why: &'static str },
    #[error("the copy {name} is not set up; run `steady backup copy {name} --init` while its place is there")]
    CopyNotReady { name: String },
    #[error("restore point {id} did not arrive whole at {}: {why}; it does not count as copied", path.display())]
    CopyIncomplete { id: String, path: PathBuf, why: String },
    #[error("cannot import {}: {why}", path.display())]
    Import { path: PathBuf, why: String },
    #[error("cannot restore to {}: {why}", path.display())]
    Place { path: PathBuf, why: String },
    #[error("cannot restore to {}: {} are free there and {} are needed", path.display(), bytes(*free), bytes(*needed))]
    NoRoom { path: PathBuf, free: u64, needed: u64 },
    #[error("restore point {id} cannot be trusted: {why}; choose another one")]
    Untrusted { id: String, why: String },
    #[error("{} is damaged: {source}; move it away to start afresh", path.display())]
    Format { path: PathBuf, source: serde_json::Error },
    #[error("{} was written by a newer Steady (format {found}, this one reads {known}); update Steady", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("cannot start the backup engine {}: {source}", program.display())]
    EngineStart { program: PathBuf, source: io::Error },
    #[error("the backup engine {}: {source}", doing)]
    EnginePipe { doing: &'static str, source: io::Error },
    #[error("the backup engine ended without an answer ({status}): {said}")]
    EngineDied { status: String, said: String },
    #[error("{message}")]
    Engine { code: Code, message: String },
    #[error(
        "the backup repository {} is in use by restic (its lock was renewed {} ago): nothing was removed; try again \
         when it has ended, and a lock that a dead restic left is overlooked after half an hour",
        path.display(), steady_model::words::span(*age)
    )]
    ReadByRestic { path: PathBuf, age: std::time::Duration },
    #[error("a restore that was interrupted has to be ended first; run `steady backup recover`")]
    Unfinished,
    #[error("the data directory {} is not there; put it back, or mount its disk", path.display())]
    DataGone { path: PathBuf },
    #[error("the restored state did not become healthy: {why}")]
    Unhealthy { why: String },
    #[error("what writes to the data could not be stopped: {why}")]
    NotStopped { why: String },
    #[error("the restore was not undone, the state is as it was: {why}")]
    NotUndone { why: String },
    #[error("there is nothing to undo: {why}")]
    NothingToUndo { why: &'static str },
    #[error("it was cancelled")]
    Cancelled,
    /// A test's fail point, or the end of the process: nothing may be cleaned up after it.
    #[error("interrupted at {step:?}")]
    Interrupted { step: RestoreStep },
    #[error("a worker of the backup ended unexpectedly: {why}")]
    Worker { why: String },
}

impl BackupError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
