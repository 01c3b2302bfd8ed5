//! What a restore would do, and whether it can.

use std::path::{Path, PathBuf};

use steady_model::backup::{RestorePlan, RestorePoint};
use steady_model::time::WallTime;

use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::manifest::{DUMPS, hex};
use crate::protocol::Compared;
use crate::restore::is_mount_point;

/// Shorter beginnings of an id are mistyped more often than meant.
const SHORTEST_ID: usize = 4;

/// The point with this id, or the only one whose id begins so.
pub(crate) fn find(points: &[RestorePoint], id: &str) -> Result<RestorePoint, BackupError> {
    let mut matching =
        points.iter().filter(|p| p.id == id || (id.len() >= SHORTEST_ID && p.id.starts_with(id)));
    match (matching.next(), matching.next()) {
        (Some(point), None) => Ok(point.clone()),
        _ => Err(BackupError::NoSuchPoint { id: id.to_owned() }),
    }
}

/// Bytes that an ordinary user may still write on the volume of `folder`.
pub(crate) fn free(folder: &Path) -> Result<u64, BackupError> {
    let room = rustix::fs::statvfs(folder)
        .map_err(|e| BackupError::io("ask the free space of", folder)(e.into()))?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

/// `compared` is what the engine found; without it the plan says what it does not know.
pub(crate) fn plan(
    point: RestorePoint,
    target: &Path,
    stops: Vec<String>,
    chosen: &Chosen,
    compared: Result<Compared, BackupError>,
) -> Result<RestorePlan, BackupError> {
    let parent = target.parent().unwrap_or(target);
    let free_bytes = free(parent)?;
    let files = walkdir::WalkDir::new(target).into_iter().filter_map(|e| e.ok()?.metadata().ok());
    let current_bytes: u64 = files.filter(std::fs::Metadata::is_file).map(|m| m.len()).sum();
    let taken = compared.as_ref().map_or(point.bytes, |c| c.bytes);
    // Chosen files come into a copy of all the others.
    let written = if chosen.is_all() { point.bytes } else { taken + current_bytes };
    // Beside the data that is there, with a reserve for file system overhead.
    let needed_bytes = written + written / 10 + (1 << 20);
    let mut obstacles = Vec::new();
    if free_bytes < needed_bytes {
        obstacles
            .push(format!("{} has {free_bytes} bytes free and {needed_bytes} are needed", parent.display()));
    }
    if is_mount_point(target) {
        obstacles.push(format!(
            "{} is a mount point and cannot be exchanged; back up a folder in it",
            target.display()
        ));
    }
    let mut cautions = cautions(&point, target, &stops);
    let mut lost = Vec::new();
    match compared {
        Ok(compared) => {
            lost = compared.lost;
            obstacles.extend(compared.absent.map(|path| format!("{path} is not in this restore point")));
        }
        Err(error) => cautions.push(format!("It is not known what would be lost: {error}")),
    }
    let target = target.display().to_string();
    let only = chosen.names();
    Ok(RestorePlan {
        point,
        target,
        elsewhere: false,
        only,
        stops,
        current_bytes,
        free_bytes,
        needed_bytes,
        lost,
        obstacles,
        cautions,
    })
}

/// What a restore to `to` would do. `place` is why it cannot lie there, or the bytes free; `taken` what is chosen.
pub(crate) fn elsewhere(
    point: RestorePoint,
    to: &Path,
    place: Result<u64, BackupError>,
    chosen: &Chosen,
    taken: Result<Compared, BackupError>,
) -> RestorePlan {
    let mut obstacles = Vec::new();
    let mut cautions = doubts(&point);
    let needed_bytes = match taken {
        Ok(taken) => {
            obstacles.extend(taken.absent.map(|path| format!("{path} is not in this restore point")));
            taken.bytes
        }
        Err(error) => {
            cautions.push(format!("It is not known how large the chosen files are: {error}"));
            point.bytes
        }
    };
    let free_bytes = match place {
        Ok(free) => free,
        Err(error) => {
            obstacles.push(error.to_string());
            0
        }
    };
    if obstacles.is_empty() && free_bytes < needed_bytes {
        let no_room = BackupError::NoRoom { path: to.to_owned(), free: free_bytes, needed: needed_bytes };
        obstacles.push(no_room.to_string());
    }
    RestorePlan {
        point,
        target: to.display().to_string(),
        elsewhere: true,
        only: chosen.names(),
        stops: Vec::new(),
        current_bytes: 0,
        free_bytes,
        needed_bytes,
        lost: Vec::new(),
        obstacles,
        cautions,
    }
}

/// Why the point may not be what it should be.
fn doubts(point: &RestorePoint) -> Vec<String> {
    let mut doubts = Vec::new();
    if !point.missing.is_empty() {
        doubts.push(format!(
            "It is incomplete; after the restore these are gone: {}",
            point.missing.join("; ")
        ));
    } else if let Some(finding) = point.findings.first() {
        doubts.push(format!("Its verification failed: {}", finding.text));
    } else if let (None, Some(from)) = (point.verified, &point.imported) {
        doubts.push(format!(
            "It was imported from {from} and never read back: its databases may be torn. `steady verify` tells."
        ));
    } else if point.verified.is_none() {
        doubts.push("It was never read back since it was taken.".to_owned());
    }
    doubts
}

fn cautions(point: &RestorePoint, target: &Path, stops: &[String]) -> Vec<String> {
    let mut cautions = doubts(point);
    if !target.exists() {
        cautions.push(format!("{} does not exist now, so there will be nothing to undo.", target.display()));
    }
    if stops.is_empty() {
        cautions.push(
            "No service is named in `backup.services`: end by hand what writes to the data.".to_owned(),
        );
    }
    cautions
}

/// How the dump of a server's database is loaded: a restore does not. `kept` is the repository, and the file of its
/// key; without one restic asks for it.
pub(crate) fn by_hand(
    name: &str,
    url: &str,
    point: &str,
    kept: Option<&(PathBuf, Option<PathBuf>)>,
) -> String {
    let stays = format!("The PostgreSQL database {name} stays as it is; its dump");
    let Some((repository, password)) = kept else {
        return format!("{stays} is {DUMPS}/{name}.dump of the point, for restic and `pg_restore` to load");
    };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let sign = if url.contains('?') { '&' } else { '?' };
    let fresh = format!("{name}_restored");
    let key = password.as_ref().map(|file| format!(" --password-file {}", quoted(&file.to_string_lossy())));
    format!(
        "{stays} is loaded by hand into a new one: \
         `createdb --maintenance-db={} {fresh} && restic -r {}{} dump {point} /{DUMPS}/{name}.dump \
         | pg_restore --single-transaction --exit-on-error --no-owner --dbname={}`",
        quoted(url),
        quoted(&repository.to_string_lossy()),
        key.unwrap_or_default(),
        quoted(&format!("{url}{sign}dbname={fresh}")),
    )
}

/// Sorts by time; the end keeps two restores of one second apart.
pub(crate) fn new_id(now: WallTime) -> Result<String, BackupError> {
    let mut end = [0_u8; 3];
    getrandom::fill(&mut end).map_err(|e| BackupError::Worker { why: format!("no random bytes: {e}") })?;
    Ok(format!("{}-{}", now.0.strftime("%Y%m%d-%H%M%S"), hex(&end)))
}
