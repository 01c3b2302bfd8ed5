//! What a restore would do, and whether it can.

use std::path::Path;

use steady_model::backup::{RestorePlan, RestorePoint};
use steady_model::time::WallTime;

use crate::chosen::Chosen;
use crate::error::BackupError;
use crate::manifest::hex;
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

/// `compared` is what the engine found; without it the plan says what it does not know.
pub(crate) fn plan(
    point: RestorePoint,
    target: &Path,
    stops: Vec<String>,
    chosen: &Chosen,
    compared: Result<Compared, BackupError>,
) -> Result<RestorePlan, BackupError> {
    let parent = target.parent().unwrap_or(target);
    let free = rustix::fs::statvfs(parent)
        .map_err(|e| BackupError::io("ask the free space of", parent)(e.into()))?;
    let free_bytes = free.f_bavail.saturating_mul(free.f_frsize);
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

fn cautions(point: &RestorePoint, target: &Path, stops: &[String]) -> Vec<String> {
    let mut cautions = Vec::new();
    if !point.missing.is_empty() {
        cautions.push(format!(
            "It is incomplete; after the restore these are gone: {}",
            point.missing.join("; ")
        ));
    } else if let Some(finding) = point.findings.first() {
        cautions.push(format!("Its verification failed: {}", finding.text));
    } else if point.verified.is_none() {
        cautions.push("It was never read back since it was taken.".to_owned());
    }
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

/// Sorts by time; the end keeps two restores of one second apart.
pub(crate) fn new_id(now: WallTime) -> Result<String, BackupError> {
    let mut end = [0_u8; 3];
    getrandom::fill(&mut end).map_err(|e| BackupError::Worker { why: format!("no random bytes: {e}") })?;
    Ok(format!("{}-{}", now.0.strftime("%Y%m%d-%H%M%S"), hex(&end)))
}
