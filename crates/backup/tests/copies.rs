//! Copies of restore points on another disk, as Debian's restic and bad days see them.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and waits in real time"
)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use steady_backup::{BackupError, Code};
use steady_model::config::{CopyPlace, CopyTarget};
use support::copies::{noise, restic, target};
use support::{World, take, world};

struct Usb {
    copy: CopyTarget,
    at: PathBuf,
}

fn folder(at: &Path, same_volume: bool) -> CopyTarget {
    target("usb", CopyPlace::Folder { path: at.to_owned(), same_volume })
}

fn usb(world: &World) -> Usb {
    let disk = world.dir.path().join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let at = disk.join("steady");
    Usb { copy: folder(&at, true), at }
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let found = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    found.filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

#[tokio::test]
async fn what_was_copied_is_listed_checked_and_restored_by_restic_and_only_once_sent() {
    let world = world();
    let Usb { copy, at } = usb(&world);
    world.write("notes/one.md", "first");
    std::fs::write(world.data().join("big.bin"), noise(4 << 20)).unwrap();
    let backups = world.backups();
    let first = take(&backups).await;
    assert!(matches!(backups.copy(&copy, &first, |_| {}).await, Err(BackupError::CopyNotReady { .. })));
    backups.init_copy(&copy).await.unwrap();
    backups.copy(&copy, &first, |_| {}).await.unwrap();
    let size = |files: &[PathBuf]| files.iter().map(|f| f.metadata().unwrap().len()).sum::<u64>();
    let before = size(&files(at.clone()));

    world.write("notes/two.md", "second");
    let second = take(&backups).await;
    assert_eq!(backups.uncopied(&copy).unwrap().iter().map(|p| &p.id).collect::<Vec<_>>(), [&second.id]);
    backups.copy(&copy, &second, |_| {}).await.unwrap();
    assert!(size(&files(at.clone())) - before < 1 << 20, "what was there was sent again");
    assert!(backups.uncopied(&copy).unwrap().is_empty());

    // The local repository is lost.
    std::fs::remove_dir_all(world.repository()).unwrap();
    restic(&world, &at, &["check", "--read-data"]);
    let record = backups.copied(&copy).unwrap().unwrap();
    let into = world.dir.path().join("rescued");
    let there = &record.copied.last().unwrap().there;
    restic(&world, &at, &["restore", there, "--target", into.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(into.join("data/notes/two.md")).unwrap(), "second");
    assert_eq!(std::fs::read(into.join("data/big.bin")).unwrap(), noise(4 << 20));
}

#[tokio::test]
async fn a_point_that_the_repository_cannot_give_whole_never_counts_as_copied() {
    let world = world();
    let Usb { copy, at } = usb(&world);
    std::fs::write(world.data().join("big.bin"), noise(1 << 20)).unwrap();
    let backups = world.backups();
    take(&backups).await;
    let index_of_first = files(world.repository().join("index"));
    world.write("later.md", "later");
    let second = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    for index in index_of_first {
        std::fs::remove_file(index).unwrap();
    }
    let error = backups.copy(&copy, &second, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("did not arrive whole"), "{error}");
    assert!(error.to_string().contains("big.bin"), "{error}");
    assert!(files(at.join("snapshots")).is_empty(), "half a point is listed there");
    assert!(backups.copied(&copy).unwrap().unwrap().copied.is_empty());
}

#[tokio::test]
async fn a_kill_in_the_middle_costs_only_time_and_backups_go_on_meanwhile() {
    let world = world();
    let Usb { copy, at } = usb(&world);
    std::fs::write(world.data().join("big.bin"), noise(160 << 20)).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    let packs = || files(at.join("data")).len();
    let (other, target, wanted) = (backups.clone(), copy.clone(), point.clone());
    let copying = tokio::spawn(async move { other.copy(&target, &wanted, |_| {}).await });
    let limit = Instant::now() + Duration::from_secs(60);
    while packs() == 0 {
        assert!(Instant::now() < limit && !copying.is_finished(), "the copy was not caught in the middle");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Ending the future kills the engine with SIGKILL.
    copying.abort();
    assert!(copying.await.unwrap_err().is_cancelled(), "it had ended already");
    assert!(files(at.join("snapshots")).is_empty());
    assert_eq!(backups.uncopied(&copy).unwrap().len(), 1);

    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        match backups.copy(&copy, &point, |_| {}).await {
            // The killed engine is let go by the kernel a moment later.
            Err(BackupError::Engine { code: Code::Locked, .. }) if Instant::now() < limit => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => break other.unwrap(),
        }
    }
    restic(&world, &at, &["check", "--read-data"]);

    world.write("more.md", "more");
    let second = take(&backups).await;
    let (copied, third) = tokio::join!(backups.copy(&copy, &second, |_| {}), take(&backups));
    copied.unwrap();
    assert!(third.verified.is_some());
}

#[tokio::test]
async fn nothing_is_created_where_the_disk_is_missing_or_something_else_lies() {
    let world = world();
    world.write("a.md", "a");
    let backups = world.backups();
    let point = take(&backups).await;
    let Usb { copy, at } = usb(&world);
    let refused = |error: BackupError, why: &str| assert!(error.to_string().contains(why), "{error}");

    // An empty mount point is a folder of the volume below it.
    refused(
        backups.init_copy(&folder(&at, false)).await.unwrap_err(),
        "on the volume of the repository itself",
    );
    assert!(!at.exists());
    let unplugged = folder(&world.dir.path().join("gone/steady"), true);
    refused(backups.init_copy(&unplugged).await.unwrap_err(), "attach the disk");
    let own = folder(&world.repository(), true);
    refused(backups.init_copy(&own).await.unwrap_err(), "the repository itself");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join("holiday.jpg"), "x").unwrap();
    refused(backups.init_copy(&copy).await.unwrap_err(), "not empty");
    std::fs::remove_file(at.join("holiday.jpg")).unwrap();

    backups.init_copy(&copy).await.unwrap();
    let away = world.dir.path().join("away");
    std::fs::rename(at.parent().unwrap(), &away).unwrap();
    let error = backups.copy(&copy, &point, |_| {}).await.unwrap_err();
    assert!(matches!(error, BackupError::Engine { code: Code::Away, .. }), "{error}");
    assert!(!at.exists());
    // Another disk in its place.
    usb(&world);
    backups.init_copy(&CopyTarget { name: "other".into(), ..copy.clone() }).await.unwrap();
    refused(backups.copy(&copy, &point, |_| {}).await.unwrap_err(), "another repository is there");
    // Its own again.
    std::fs::remove_dir_all(at.parent().unwrap()).unwrap();
    std::fs::rename(&away, at.parent().unwrap()).unwrap();
    backups.copy(&copy, &point, |_| {}).await.unwrap();
    backups.init_copy(&copy).await.unwrap();
    assert_eq!(
        backups.copied(&copy).unwrap().unwrap().copied.len(),
        1,
        "a second --init forgot what was copied"
    );
}
