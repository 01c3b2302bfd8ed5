use super::*;
use crate::stores::{lexical, metadata};
use std::fs;

struct World {
    dir: tempfile::TempDir,
    vault: Vault,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("vault/sub")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let vault = Vault::new(dir.path().join("vault"));
        Self { dir, vault }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join("vault").join(name), content).unwrap();
    }

    fn run(&self, scope: Scope<'_>) -> Result<IndexReport, IndexError> {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        run_alone(&Run { vault: &self.vault, data: &self.data(), scope, what: "test", now })
    }

    fn counts(&self, scope: Scope<'_>) -> (usize, usize, usize) {
        let report = self.run(scope).unwrap();
        (report.notes_processed, report.notes_removed, report.notes_skipped)
    }

    fn found(&self, typed: &str) -> usize {
        lexical::search(&lexical::SPEC.open(&self.data()).unwrap(), typed, 100).unwrap().len()
    }
}

#[test]
fn only_changed_notes_are_read_again_and_removed_ones_leave() {
    let world = World::new();
    world.write("a.md", "apple");
    world.write("sub/b.md", "banana");
    assert_eq!(world.counts(Scope::Changes), (2, 0, 0));
    assert_eq!(world.counts(Scope::Changes), (0, 0, 0));
    // Same content again: the time differs, the hash does not.
    let later = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    fs::File::options().append(true).open(world.vault.root().join("a.md")).unwrap().set_times(later).unwrap();
    assert_eq!(world.counts(Scope::Changes), (0, 0, 0));
    world.write("a.md", "apricot tree");
    fs::remove_file(world.vault.root().join("sub/b.md")).unwrap();
    assert_eq!(world.counts(Scope::Changes), (1, 1, 0));
    assert_eq!((world.found("apple"), world.found("banana"), world.found("apricot")), (0, 0, 1));
    assert_eq!(world.counts(Scope::Everything), (1, 0, 0));
}

#[test]
fn a_note_that_turns_into_binary_leaves_the_index_and_is_counted() {
    let world = World::new();
    world.write("a.md", "apple");
    world.run(Scope::Changes).unwrap();
    world.write("a.md", b"apple \xff\xfe");
    assert_eq!(world.counts(Scope::Changes), (0, 1, 1));
    assert_eq!(world.found("apple"), 0);
    assert_eq!(world.counts(Scope::Changes), (0, 0, 1));
}

#[test]
fn an_index_lost_or_restored_from_another_time_is_rebuilt() {
    let world = World::new();
    world.write("a.md", "apple");
    world.run(Scope::Changes).unwrap();
    fs::remove_file(world.data().join("lexical.db")).unwrap();
    assert_eq!(world.counts(Scope::Changes), (1, 0, 0));
    assert_eq!(world.found("apple"), 1);
    fs::remove_file(world.data().join("index_tracker.db")).unwrap();
    assert_eq!(world.counts(Scope::Changes), (1, 0, 0));
    assert_eq!(world.found("apple"), 1);
}

#[test]
fn a_vault_that_is_gone_fails_the_run_and_keeps_the_index() {
    let world = World::new();
    world.write("a.md", "apple");
    world.run(Scope::Changes).unwrap();
    fs::rename(world.vault.root(), world.dir.path().join("unmounted")).unwrap();
    assert!(matches!(world.run(Scope::Everything), Err(IndexError::Vault(VaultError::Missing { .. }))));
    assert_eq!(world.found("apple"), 1);
}

#[test]
fn what_an_unreadable_folder_hides_is_not_taken_for_removed() {
    let scan = Scan { blind: HashSet::from(["sub/".to_owned()]), ..Scan::default() };
    let known = ["a.md", "sub/b.md", "subway.md"].map(String::from);
    assert_eq!(gone(known.iter(), &HashSet::from(["a.md"]), &scan), ["subway.md"]);
}

#[test]
fn a_run_over_paths_sees_these_and_what_is_below_them_only() {
    let world = World::new();
    let paths = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<BTreeSet<String>>();
    for name in ["a.md", "b.md", "sub/c.md", "sub/d.md", "subway.md"] {
        world.write(name, "apple");
    }
    assert_eq!(world.counts(Scope::Paths(&paths(&["a.md", "sub", "sub/c.md"]))), (3, 0, 0));
    assert_eq!(world.found("apple"), 3);
    world.write("a.md", "apricot");
    fs::remove_dir_all(world.vault.root().join("sub")).unwrap();
    assert_eq!(world.counts(Scope::Paths(&paths(&["a.md", "sub", "never.md", ".hidden.md"]))), (1, 2, 0));
    assert_eq!((world.found("apple"), world.found("apricot")), (0, 1));
    assert_eq!(world.counts(Scope::Changes), (2, 0, 0));
}

#[test]
fn links_out_of_the_vault_are_not_followed_when_they_change_either() {
    let world = World::new();
    fs::write(world.dir.path().join("outside.md"), "secret").unwrap();
    std::os::unix::fs::symlink("../outside.md", world.vault.root().join("file.md")).unwrap();
    std::os::unix::fs::symlink("..", world.vault.root().join("folder")).unwrap();
    let paths = BTreeSet::from(["file.md", "folder", "folder/outside.md"].map(String::from));
    assert_eq!(world.counts(Scope::Paths(&paths)), (0, 0, 0));
    assert_eq!(world.found("secret"), 0);
}

#[test]
fn a_vault_that_is_empty_all_at_once_is_taken_for_an_unmounted_one() {
    let world = World::new();
    for i in 0..NOT_EMPTIED_AT_ONCE {
        world.write(&format!("{i}.md"), "apple");
    }
    world.run(Scope::Changes).unwrap();
    for i in 0..NOT_EMPTIED_AT_ONCE {
        fs::remove_file(world.vault.root().join(format!("{i}.md"))).unwrap();
    }
    let paths = (0..NOT_EMPTIED_AT_ONCE).map(|i| format!("{i}.md")).collect();
    world.run(Scope::Paths(&paths)).unwrap_err();
    let refused = world.run(Scope::Changes).unwrap_err();
    assert!(refused.to_string().contains("full_rebuild"), "{refused}");
    assert_eq!(world.found("apple"), NOT_EMPTIED_AT_ONCE);
    world.run(Scope::Everything).unwrap();
    assert_eq!(world.found("apple"), 0);
}

#[test]
fn a_damaged_store_is_set_aside_and_the_index_is_whole_again() {
    let world = World::new();
    world.write("a.md", "#fruit apple");
    for spec in [&lexical::SPEC, &metadata::SPEC, &tracker::SPEC, &crate::stores::vectors::SPEC] {
        world.run(Scope::Changes).unwrap();
        fs::write(spec.path(&world.data()), "scribbled over, and no database any more").unwrap();
        assert_eq!(world.counts(Scope::Changes), (1, 0, 0), "{}", spec.file);
        assert_eq!(world.found("apple"), 1);
    }
    let aside = fs::read_dir(world.data()).unwrap();
    let aside = aside.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".corrupt-"));
    assert_eq!(aside.count(), 4);
}

#[test]
fn a_taken_lock_refuses_the_run_and_names_the_holder() {
    let world = World::new();
    let holder = Holder { pid: 1, what: "the other one".into(), since: "2026-01-01T00:00:00Z".into() };
    let _held = FileLock::try_acquire(&world.data().join(LOCK), &holder).unwrap();
    let err = world.run(Scope::Changes).unwrap_err();
    assert!(
        matches!(&err, IndexError::Locked(LockError::Held { holder: Some(h), .. }) if *h == holder),
        "{err}"
    );
}
