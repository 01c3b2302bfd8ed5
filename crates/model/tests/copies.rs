//! When a copy of the restore points is well.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::{self, CopyPlace, CopyTarget, Roots, SecretRef};
use steady_model::copy::{CopyFacts, judge_copy};
use steady_model::time::WallTime;

const DAY: Duration = Duration::from_hours(24);

fn day(n: u32) -> WallTime {
    let start: WallTime = serde_json::from_str("\"2026-11-01T12:00:00Z\"").unwrap();
    start.after(DAY * n)
}

fn copied(newest: u32) -> CopyFacts {
    CopyFacts { ready: true, points: 1, newest: Some(day(newest)), ..CopyFacts::default() }
}

fn judged(facts: &CopyFacts, verified: Option<u32>, now: u32) -> (Status, String, &'static str) {
    judge_copy(facts, true, verified.map(day), 3 * DAY, day(now))
}

#[test]
fn an_unplugged_disk_is_told_by_age_alone() {
    let away = CopyFacts { absent: true, error: Some("not there".into()), ..copied(1) };
    let (status, phrase, _) = judged(&away, Some(3), 3);
    assert_eq!(
        (status, phrase.as_str()),
        (Status::Pass, "newest copied point: 2 d ago, its place is not there")
    );
    let (status, phrase, action) = judged(&away, Some(5), 5);
    assert_eq!(status, Status::Warn);
    assert_eq!(phrase, "newest copied point: 4 d ago, its place is not there, which is too long");
    assert_eq!(action, "Attach the disk; the copy is then made by itself");
}

#[test]
fn a_server_that_cannot_be_reached_is_told_by_age_alone() {
    let away = CopyFacts { absent: true, error: Some("connection refused".into()), ..copied(1) };
    let judged = |now| judge_copy(&away, false, Some(day(now)), 3 * DAY, day(now));
    let (status, phrase, _) = judged(3);
    assert_eq!(
        (status, phrase.as_str()),
        (Status::Pass, "newest copied point: 2 d ago, its place cannot be reached")
    );
    let (status, _, action) = judged(5);
    assert_eq!(status, Status::Warn);
    assert!(action.starts_with("See what fails with `steady copies`"), "{action}");
}

#[test]
fn a_copy_that_has_the_newest_point_is_well_however_old_that_is() {
    assert_eq!(judged(&copied(1), Some(1), 20).0, Status::Pass);
    assert_eq!(judged(&copied(1), Some(2), 20).0, Status::Warn);
}

#[test]
fn a_failure_and_a_copy_that_was_never_set_up_are_told_at_once() {
    let failed = CopyFacts { error: Some("no space".into()), ..copied(3) };
    let (status, phrase, _) = judged(&failed, Some(3), 3);
    assert_eq!((status, phrase.as_str()), (Status::Warn, "no space"));
    let (status, _, action) = judged(&CopyFacts::default(), None, 3);
    assert_eq!(
        (status, action),
        (Status::Warn, "Attach the disk and run `steady backup copy NAME --init` once")
    );
    let empty = CopyFacts { ready: true, ..CopyFacts::default() };
    assert_eq!(judged(&empty, None, 3).0, Status::Pass, "there is nothing to copy");
    assert_eq!(judged(&empty, Some(2), 3).0, Status::Warn);
}

#[test]
fn a_clock_that_was_set_back_makes_no_copy_fresh() {
    assert_eq!(judged(&copied(9), Some(9), 3).0, Status::Unknown);
}

fn parse(copies: &str) -> Result<config::Config, config::ConfigError> {
    let text = format!("version = 1\n[backup]\nsource = \"data\"\n{copies}");
    let roots = Roots { base: "/home/ada".as_ref(), user_home: None };
    config::parse(&text, "steady.toml".as_ref(), roots)
}

fn target(copy: &str) -> CopyTarget {
    let config = parse(&format!("[backup.copy.a]\n{copy}")).unwrap();
    config.backup.unwrap().copies.remove(0)
}

#[test]
fn a_copy_is_configured_by_its_place() {
    let usb = target("to = \"/media/usb/steady\"\nstale_after = \"5d\"\n");
    assert_eq!(usb.to, CopyPlace::Folder { path: "/media/usb/steady".into(), same_volume: false });
    assert_eq!((usb.name.as_str(), usb.stale_after, usb.limit, usb.password), ("a", 5 * DAY, None, None));

    let drive = target("to = \"rclone:drive:steady/ada\"\nlimit = \"2 MB/s\"\npassword = \"file:key\"\n");
    let program = vec!["rclone".to_owned()];
    assert_eq!(drive.to, CopyPlace::Rclone { program, remote: "drive:steady/ada".into() });
    assert_eq!(drive.limit, Some(2_000_000));
    assert_eq!(drive.password, Some(SecretRef::File("/home/ada/key".into())));

    let nas = target(
        "to = \"rest:https://nas:8000/ada/\"\nlogin = \"keychain:nas/ada\"\ncertificate = \"nas.pem\"\n",
    );
    let certificate = Some("/home/ada/nas.pem".into());
    assert_eq!(nas.to, CopyPlace::Rest { url: "https://nas:8000/ada/".into(), certificate });
    assert_eq!(nas.login, Some(SecretRef::Keychain { service: "nas".into(), account: Some("ada".into()) }));
    assert_eq!(
        target("to = \"rest:http://[::1]:80\"\nlogin = \"file:l\"\n").to.to_string(),
        "rest:http://[::1]:80/"
    );
    assert_eq!(target("to = \"rest:http://nas\"\n").login, None);

    let bucket = target(
        "to = \"s3:https://s3.example/bucket/steady\"\nlogin = \"file:s3\"\nregion = \"eu\"\nprogram = [\"rclone\", \"-v\"]\n",
    );
    let expected = CopyPlace::S3 {
        program: vec!["rclone".into(), "-v".into()],
        endpoint: "https://s3.example".into(),
        path: "bucket/steady".into(),
        region: Some("eu".into()),
    };
    assert_eq!(
        (bucket.to.to_string(), &bucket.to),
        ("s3:https://s3.example/bucket/steady".into(), &expected)
    );
}

#[test]
fn nonsense_about_a_copy_is_refused_with_its_line() {
    for (line, typed, why) in [
        (5, "to = \"data/copy\"\n", "overlaps the data directory"),
        (5, "to = \"/home\"\n", "overlaps the data directory"),
        (5, "to = \"\"\n", "needs a place"),
        (7, "to = \"/m/s\"\n[backup.copy.b]\nto = \"/m/s\"\n", "is the place of a already"),
        (6, "to = \"/m\"\nstale_after = \"soon\"\n", "is not a duration"),
        (6, "to = \"/m\"\nlogin = \"file:x\"\n", "login is for a copy to rest: and s3: only"),
        (6, "to = \"rclone:a:b\"\nsame_volume = true\n", "is for a copy to a folder only"),
        (5, "to = \"rclone:nas\"\n", "must be rclone:REMOTE:PATH"),
        (5, "to = \"rclone:--config=/x:b\"\n", "must be rclone:REMOTE:PATH"),
        (6, "to = \"rclone:a:b\"\nprogram = []\n", "is empty"),
        (5, "to = \"sftp:nas:/x\"\n", "rclone config"),
        (5, "to = \"rest:nas\"\n", "must look like rest:https://nas:8000/ada"),
        (5, "to = \"rest:https://ada:hunter22@nas/\"\n", "holds a login"),
        (5, "to = \"rest:http://nas/\"\nlogin = \"file:x\"\n", "in the clear"),
        (5, "to = \"rest:http://127.0.0.1.example/\"\nlogin = \"file:x\"\n", "in the clear"),
        (5, "to = \"s3:https://x/y\"\n", "needs backup.copy.a.login"),
        (5, "to = \"s3:https://x\"\nlogin = \"file:x\"\n", "names no bucket"),
        (6, "to = \"/m\"\nlimit = \"2 MB\"\n", "is not a rate"),
        (6, "to = \"/m\"\nlimit = \"1 kB/s\"\n", "is not a rate of 10 KB/s or more"),
        (6, "to = \"/m\"\npassword = \"hunter22\"\n", "where the secret is kept"),
    ] {
        let error = parse(&format!("[backup.copy.a]\n{typed}")).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(&format!("steady.toml:{line}:")), "{typed}: {error}");
        assert!(!error.contains("hunter22"), "{error}");
    }
}
