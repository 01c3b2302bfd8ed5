//! How much room there is where the backups are, looked at once a minute.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use steady_model::backup::Space;
use tokio::sync::mpsc;

use crate::events::Notice;

const EVERY: Duration = Duration::from_secs(60);

/// Looks for as long as somebody hears it.
///
/// A volume that does not answer holds a thread and nothing else: what was seen before goes stale.
pub async fn follow(repository: PathBuf, notices: mpsc::Sender<Notice>) {
    loop {
        let place = repository.clone();
        let looked = tokio::task::spawn_blocking(move || look(&place)).await;
        let Ok(space) = looked else { return };
        if notices.send(Notice::Space(space)).await.is_err() {
            return;
        }
        pause(EVERY).await;
    }
}

/// The repository comes with the first backup; until then its folder tells. No higher: where a volume is missing,
/// another one would answer.
fn look(repository: &Path) -> Result<Space, String> {
    let found = match statvfs(repository) {
        Err(rustix::io::Errno::NOENT) => repository.parent().map_or(Err(rustix::io::Errno::NOENT), statvfs),
        found => found,
    };
    match found {
        Ok(volume) => Ok(Space {
            free: volume.f_bavail.saturating_mul(volume.f_frsize),
            total: volume.f_blocks.saturating_mul(volume.f_frsize),
        }),
        Err(e) => {
            let why = io::Error::from(e);
            Err(format!("the room for backups at {} is not known: {why}", repository.display()))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the timer of an adapter: nothing tells that a volume fills")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_to_come_is_its_folder_and_a_missing_volume_is_not_the_one_below() {
        let dir = tempfile::tempdir().unwrap();
        assert!(look(&dir.path().join("repository")).unwrap().free > 0);
        let unplugged = look(&dir.path().join("Volumes/Backup/repository")).unwrap_err();
        assert!(unplugged.contains("Volumes/Backup/repository"), "{unplugged}");
    }
}
