//! Copies in places that are reached over a network, with real servers.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and waits in real time"
)]

mod servers;
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use steady_backup::{BackupError, Code};
use steady_model::config::{CopyPlace, CopyTarget, SecretRef};
use support::copies::{disk, noise, rclone, restic, restic_with, target};
use support::{World, take, world};

fn secret(world: &World, name: &str, text: &str) -> SecretRef {
    use std::os::unix::fs::PermissionsExt;
    let path = world.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    SecretRef::File(path)
}

/// Two points, copied one after the other, the second cheaply.
async fn copied(world: &World, copy: &CopyTarget) {
    world.write("notes/one.md", "first");
    std::fs::write(world.data().join("big.bin"), noise(3 << 20)).unwrap();
    let backups = world.backups();
    let first = take(&backups).await;
    backups.init_copy(copy).await.unwrap();
    backups.copy(copy, &first, |_| {}).await.unwrap();
    world.write("notes/two.md", "second");
    let second = take(&backups).await;
    assert_eq!(backups.uncopied(copy).unwrap().iter().map(|p| &p.id).collect::<Vec<_>>(), [&second.id]);
    backups.copy(copy, &second, |_| {}).await.unwrap();
    // A second --init takes over what is there.
    backups.init_copy(copy).await.unwrap();
    assert!(backups.uncopied(copy).unwrap().is_empty());
}

/// What Debian's restic makes of a repository, by itself.
fn whole_for_restic(world: &World, at: &str, env: &[(&str, &str)]) {
    // What restic still writes of locks would be written with the login of the copy.
    restic_with(world, at, env, &["check", "--read-data"]);
    let into = world.dir.path().join("rescued");
    restic_with(world, at, env, &["restore", "latest", "--target", into.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(into.join("data/notes/two.md")).unwrap(), "second");
    assert_eq!(std::fs::read(into.join("data/big.bin")).unwrap(), noise(3 << 20));
}

fn size(folder: &Path) -> u64 {
    let found = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    found.filter_map(|e| e.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum()
}

fn message(error: &BackupError) -> (Code, &str) {
    match error {
        BackupError::Engine { code, message } => (*code, message),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_rclone_carried_away_is_whole_for_restic_and_sent_only_once() {
    let world = world();
    let (copy, at) = disk(&world);
    copied(&world, &copy).await;
    assert!(size(&at) < 4 << 20, "what was there was sent again");
    whole_for_restic(&world, at.to_str().unwrap(), &[]);
}

#[tokio::test]
async fn sftp_by_a_real_sshd_carries_copies() {
    let world = world();
    let server = servers::sshd(&world);
    let place = CopyPlace::Rclone {
        program: rclone(&world, &server.rclone_remote("nas")),
        remote: format!("nas:{}", world.dir.path().join("on-the-nas/steady").display()),
    };
    copied(&world, &target("nas", place)).await;
    whole_for_restic(&world, world.dir.path().join("on-the-nas/steady").to_str().unwrap(), &[]);
}

fn rest(world: &World, port: u16, login: &str) -> CopyTarget {
    let place = CopyPlace::Rest { url: format!("http://127.0.0.1:{port}/ada/"), certificate: None };
    CopyTarget { login: Some(secret(world, "login", login)), ..target("nas", place) }
}

#[tokio::test]
async fn a_rest_server_takes_copies_by_its_login_only_and_its_absence_is_no_fault() {
    let world = world();
    let at = world.dir.path().join("served");
    let server = servers::rest(&at, "ada", "hunter22", None);
    let copy = rest(&world, server.port, "ada\nhunter22\n");
    copied(&world, &copy).await;
    let port = server.port;
    whole_for_restic(&world, &format!("rest:http://ada:hunter22@127.0.0.1:{port}/ada/"), &[]);

    world.write("notes/three.md", "third");
    let backups = world.backups();
    let third = take(&backups).await;
    let wrong = CopyTarget { name: "nas".into(), ..rest(&world, port, "ada\nhunter23") };
    let error = backups.copy(&wrong, &third, |_| {}).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Failed, "{why}");
    assert!(why.contains("refuses the login") && why.contains("backup.copy.nas.login"), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
    let nonsense = rest(&world, port, "hunter22");
    let error = backups.copy(&nonsense, &third, |_| {}).await.unwrap_err();
    assert!(message(&error).1.contains("`backup.copy.nas.login` must name two lines"), "{error}");

    drop(server);
    let copy = rest(&world, port, "ada:hunter22");
    let error = backups.copy(&copy, &third, |_| {}).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Away, "{why}");
    assert!(why.contains(&format!("rest:http://127.0.0.1:{port}/ada/ cannot be reached")), "{why}");
    assert!(why.contains("Connection refused"), "{why}");

    // It is back, with another disk.
    let empty = world.dir.path().join("empty");
    let _server = servers::rest(&empty, "ada", "hunter22", Some(port));
    let error = backups.copy(&copy, &third, |_| {}).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Failed, "{why}");
    assert!(why.contains("steady backup copy nas --init"), "{why}");
    assert_eq!(size(&empty), 0, "something was created there");
}

#[tokio::test]
async fn tls_is_trusted_by_the_named_certificate_only() {
    let world = world();
    let tls = servers::Tls::new(world.dir.path());
    let server = servers::rest_tls(&world.dir.path().join("served"), "ada", "hunter22", &tls);
    let url = format!("https://localhost:{}/", server.port);
    let login = Some(secret(&world, "login", "ada\nhunter22"));
    let strange = CopyPlace::Rest { url: url.clone(), certificate: None };
    let stranger = CopyTarget { login: login.clone(), ..target("nas", strange) };
    let backups = world.backups();
    let error = backups.init_copy(&stranger).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Failed, "{why}");
    assert!(why.contains("no certificate that is trusted"), "{why}");
    assert!(why.contains("backup.copy.nas.certificate"), "{why}");

    let known = CopyPlace::Rest { url, certificate: Some(tls.authority.clone()) };
    copied(&world, &CopyTarget { login, ..target("nas", known) }).await;
}

#[tokio::test]
async fn a_bucket_takes_copies_and_its_key_is_in_no_argument() {
    let world = world();
    let server = servers::s3();
    let place = CopyPlace::S3 {
        program: vec!["rclone".into()],
        endpoint: format!("http://127.0.0.1:{}", server.port),
        path: "ada/steady".into(),
        region: Some("eu-central-1".into()),
    };
    let copy =
        CopyTarget { login: Some(secret(&world, "s3", "AKIAADA\nhunter22hunter22")), ..target("s3", place) };
    let backups = world.backups();
    let error = backups.init_copy(&copy).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Failed, "{why}");
    assert!(why.contains("NoSuchBucket"), "{why}");
    servers::make_bucket(&server, "ada");
    copied(&world, &copy).await;
    let env = [("AWS_ACCESS_KEY_ID", "AKIAADA"), ("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")];
    whole_for_restic(&world, &format!("s3:http://127.0.0.1:{}/ada/steady", server.port), &env);
    std::fs::write(world.data().join("big.bin"), noise(2 << 20)).unwrap();
    let point = take(&backups).await;
    let slow = CopyTarget { limit: Some(300_000), ..copy.clone() };
    let other = backups.clone();
    let copying = tokio::spawn(async move { other.copy(&slow, &point, |_| {}).await });
    let mut rclone = None;
    until("an rclone with the key in its environment", || {
        assert!(!copying.is_finished(), "the copy ended");
        rclone = engine_and_rclone().map(|(_, rclone)| format!("{rclone} environ"));
        let shown = who_shows("hunter22hunter22");
        rclone.as_ref().is_some_and(|rclone| shown.iter().any(|s| s.starts_with(rclone)))
    })
    .await;
    // There only its owner can look; arguments are for everybody.
    let shown = who_shows("hunter22hunter22");
    assert!(shown.iter().all(|s| !s.contains(" cmdline: ")), "{shown:?}");
    copying.abort();
    let _ = copying.await;
}

/// Processes whose arguments or environment hold `needle`, but for this one.
fn who_shows(needle: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            if pid != std::process::id() && text.contains(needle) {
                shown.push(format!("{pid} {file}: {text}"));
            }
        }
    }
    shown
}

/// The engine that this test process started, and what that started.
fn engine_and_rclone() -> Option<(u32, u32)> {
    let children = |pid: u32| {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let lists = threads.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("children")).ok());
        Some(lists.flat_map(|l| l.split(' ').filter_map(|p| p.parse().ok()).collect::<Vec<u32>>()).collect())
    };
    let named = |pid: &u32, name: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.starts_with(name))
    };
    let mine: Vec<u32> = children(std::process::id())?;
    let engine = mine.into_iter().find(|pid| named(pid, "steady-engine"))?;
    let of_it: Vec<u32> = children(engine)?;
    Some((engine, of_it.into_iter().find(|pid| named(pid, "rclone"))?))
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until(what: &str, mut met: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(40);
    while !met() {
        assert!(Instant::now() < limit, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn rclone_never_outlives_its_engine_not_even_a_killed_one_and_the_next_copy_goes_on() {
    let world = world();
    let (mut copy, at) = disk(&world);
    std::fs::write(world.data().join("big.bin"), noise(4 << 20)).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    copy.limit = Some(100_000);
    for cancelled in [false, true] {
        let (other, slow, wanted) = (backups.clone(), copy.clone(), point.clone());
        let copying = tokio::spawn(async move { other.copy(&slow, &wanted, |_| {}).await });
        let mut both = None;
        until("an engine with its rclone", || {
            assert!(!copying.is_finished(), "the copy ended");
            both = engine_and_rclone();
            both.is_some()
        })
        .await;
        let (engine, rclone) = both.unwrap();
        if cancelled {
            copying.abort();
            assert!(copying.await.unwrap_err().is_cancelled());
        } else {
            let pid = rustix::process::Pid::from_raw(engine.try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            let error = copying.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("ended without an answer"), "{error}");
        }
        until("the end of rclone", || !is_alive(rclone) && !is_alive(engine)).await;
    }
    copy.limit = None;
    backups.copy(&copy, &point, |_| {}).await.unwrap();
    restic(&world, &at, &["check", "--read-data"]);
}

#[tokio::test]
async fn what_is_sent_keeps_to_the_limit_wherever_it_goes() {
    let world = world();
    let (far, at) = disk(&world);
    let near = world.dir.path().join("near");
    let near_copy = target("near", CopyPlace::Folder { path: near.clone(), same_volume: true });
    std::fs::write(world.data().join("big.bin"), noise(3 << 20)).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    for (mut copy, folder) in [(far, at), (near_copy, near)] {
        backups.init_copy(&copy).await.unwrap();
        let before = size(&folder);
        copy.limit = Some(300_000);
        let began = Instant::now();
        backups.copy(&copy, &point, |_| {}).await.unwrap();
        let took = began.elapsed();
        let sent = size(&folder) - before;
        assert!(sent > 3 << 20, "{sent}");
        // In a folder the last file may go at once: it is small.
        assert!(took > Duration::from_secs(9), "{}: {sent} bytes in {took:?}", copy.name);
        assert!(took < Duration::from_secs(40), "{}: {sent} bytes in {took:?}", copy.name);
    }
}

#[tokio::test]
async fn the_login_is_shown_by_no_process_and_no_debug_text() {
    let world = world();
    let server = servers::rest(&world.dir.path().join("served"), "ada", "hunter-by-night", None);
    // The server itself has it in its environment.
    let mut copy = rest(&world, server.port, "ada\nhunter-by-night");
    std::fs::write(world.data().join("big.bin"), noise(1 << 20)).unwrap();
    let backups = world.backups();
    let point = take(&backups).await;
    backups.init_copy(&copy).await.unwrap();
    copy.limit = Some(200_000);
    assert!(!format!("{copy:?}").contains("hunter-by-night"));
    let (other, slow) = (backups.clone(), copy.clone());
    let copying = tokio::spawn(async move { other.copy(&slow, &point, |_| {}).await });
    let before = size(&world.dir.path().join("served"));
    until("bytes on their way", || {
        assert!(!copying.is_finished(), "the copy ended");
        size(&world.dir.path().join("served")) > before
    })
    .await;
    let shown = who_shows("hunter-by-night");
    assert!(shown.iter().all(|s| s.starts_with(&format!("{} ", server.pid()))), "{shown:?}");
    assert!(!shown.is_empty(), "the server shows it, or this would see nothing");
    copying.abort();
    let _ = copying.await;
    let left = std::fs::read_dir(world.home().join("backups/copies")).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "a secret stays: {left:?}");
}

#[tokio::test]
async fn a_copy_has_a_key_of_its_own_when_it_is_told_one() {
    let world = world();
    let (copy, at) = disk(&world);
    let own = CopyTarget { password: Some(secret(&world, "key", "of its own")), ..copy.clone() };
    copied(&world, &own).await;
    std::fs::write(world.home().join("backups/password"), "of its own").unwrap();
    whole_for_restic(&world, at.to_str().unwrap(), &[]);
    // Without it nothing is written there.
    let backups = world.backups();
    let error = backups.init_copy(&copy).await.unwrap_err();
    assert!(!error.to_string().contains("of its own"), "{error}");
}

#[tokio::test]
async fn a_remote_that_rclone_does_not_know_and_an_rclone_that_is_not_there_are_said_so() {
    let world = world();
    world.write("a.md", "a");
    let backups = world.backups();
    take(&backups).await;
    let program = rclone(&world, "");
    let unknown = target("nas", CopyPlace::Rclone { program, remote: "nas:steady".into() });
    let error = backups.init_copy(&unknown).await.unwrap_err();
    let (code, why) = message(&error);
    assert_eq!(code, Code::Failed, "{why}");
    assert!(why.contains("didn't find section in config file") && why.contains("rclone:nas:steady"), "{why}");
    let program = vec!["/nowhere/rclone".into()];
    let absent = target("nas", CopyPlace::Rclone { program, remote: "nas:steady".into() });
    let error = backups.init_copy(&absent).await.unwrap_err();
    assert!(error.to_string().contains("cannot start /nowhere/rclone"), "{error}");
    assert!(error.to_string().contains("backup.copy.nas.program"), "{error}");

    // A server that is down is away, by rclone too.
    let server = servers::sshd(&world);
    let config = server.rclone_remote("down");
    drop(server);
    let down = CopyPlace::Rclone { program: rclone(&world, &config), remote: "down:x".into() };
    let error = backups.init_copy(&target("down", down)).await.unwrap_err();
    assert_eq!(message(&error).0, Code::Away, "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}
