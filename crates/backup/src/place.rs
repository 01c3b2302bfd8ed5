//! What speaks against the place of the repository.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use steady_model::config::{Backup, CopyPlace};

/// Parts of the names of folders that other programs carry away, by the program.
const SYNCED: [(&str, &str); 8] = [
    ("Mobile Documents", "iCloud"),
    ("iCloud", "iCloud"),
    ("CloudStorage", "a cloud's program"),
    ("Dropbox", "Dropbox"),
    ("OneDrive", "OneDrive"),
    ("Google Drive", "Google Drive"),
    ("GoogleDrive", "Google Drive"),
    ("Nextcloud", "Nextcloud"),
];

/// For people, no alarm: each a sentence that says what may be lost and what to do. `home` is Steady's own folder.
pub fn cautions(config: &Backup, home: &Path) -> Vec<String> {
    let repository = config.repository.clone().unwrap_or_else(|| home.join("backups/repository"));
    let mut told = Vec::new();
    // A copy that lies beside it is none that outlives the disk.
    let elsewhere = |to: &CopyPlace| !matches!(to, CopyPlace::Folder { path, .. } if volume(path) == volume(&config.source));
    let volumes = (volume(&repository), volume(&config.source));
    if matches!(volumes, (Some(its), Some(of_the_data)) if its == of_the_data)
        && !config.copies.iter().any(|copy| elsewhere(&copy.to))
    {
        told.push(
            "The backups lie on the volume of the data and there is no copy elsewhere: one broken disk takes both. \
             `[backup.copy.NAME]` keeps a copy in another place."
                .to_owned(),
        );
    }
    if let Some(program) = synced(&repository) {
        told.push(format!(
            "The backup repository {} lies in a folder of {program}, which may carry away half of what belongs \
             together or leave files out. Move it out, and let `[backup.copy.NAME]` keep a copy there.",
            repository.display()
        ));
    }
    told
}

/// Of the nearest folder that is there.
fn volume(path: &Path) -> Option<u64> {
    path.ancestors().find_map(|folder| folder.metadata().ok()).map(|metadata| metadata.dev())
}

fn synced(path: &Path) -> Option<&'static str> {
    let real = path.ancestors().find_map(|folder| folder.canonicalize().ok());
    let both: [Option<PathBuf>; 2] = [Some(path.to_owned()), real];
    let names = both.iter().flatten().flat_map(|path| path.components());
    let mut names = names.filter_map(|name| name.as_os_str().to_str());
    names.find_map(|name| SYNCED.iter().find(|(part, _)| name.contains(part)).map(|(_, program)| *program))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_model::config::{CopyTarget, Roots};

    use super::*;

    fn config(source: &Path, repository: &Path) -> Backup {
        let text = format!("version = 1\n[backup]\nsource = {source:?}\nrepository = {repository:?}\n");
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = steady_model::config::parse(&text, Path::new("steady.toml"), roots).unwrap();
        config.backup.unwrap()
    }

    fn copied(config: Backup, to: CopyPlace) -> Backup {
        let stale_after = Duration::from_hours(72);
        let copy = CopyTarget { name: "a".into(), to, login: None, password: None, limit: None, stale_after };
        Backup { copies: vec![copy], ..config }
    }

    #[test]
    fn backups_on_the_volume_of_the_data_are_told_until_there_is_a_copy_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let alone = config(&dir.path().join("data"), &dir.path().join("kept/repository"));
        let [told] = &cautions(&alone, dir.path())[..] else { panic!("{:?}", cautions(&alone, dir.path())) };
        assert!(told.contains("one broken disk takes both") && told.contains("[backup.copy."), "{told}");
        let beside = CopyPlace::Folder { path: dir.path().join("copy"), same_volume: true };
        assert_eq!(cautions(&copied(alone.clone(), beside), dir.path()).len(), 1, "a copy beside is none");
        let away = CopyPlace::Rclone { program: vec!["rclone".into()], remote: "far:x".into() };
        assert!(cautions(&copied(alone, away), dir.path()).is_empty());
        // Another volume than that of the temporary folder, wherever this runs.
        let other = config(&dir.path().join("data"), Path::new("/dev/steady/repository"));
        assert!(cautions(&other, dir.path()).is_empty());
    }

    #[test]
    fn a_repository_in_a_folder_that_another_program_carries_away_is_told_by_links_too() {
        let dir = tempfile::tempdir().unwrap();
        let synced = dir.path().join("Dropbox (Personal)/steady");
        std::fs::create_dir_all(&synced).unwrap();
        let link = dir.path().join("kept");
        std::os::unix::fs::symlink(&synced, &link).unwrap();
        for repository in [synced, link] {
            let told =
                cautions(&config(&dir.path().join("data"), &repository.join("repository")), dir.path());
            assert!(
                told.iter().any(|t| t.contains("a folder of Dropbox") && t.contains("Move it out")),
                "{told:?}"
            );
        }
    }
}
