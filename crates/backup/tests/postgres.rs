//! Dumps of a real PostgreSQL server.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use support::postgres::{PASSWORD, Server, dump_of, in_the_way, two_tables};
use support::{World, take, world};

fn output(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).env("PGPASSWORD", PASSWORD).output().unwrap()
}

#[tokio::test]
async fn a_dump_in_a_point_brings_every_row_back_into_an_empty_database() {
    let server = Server::start();
    two_tables(&server);
    let mut world = world();
    world.write("note.md", "beside it");
    dump_of(&mut world, server.url("pkg"), &["pg_dump"]);
    let backups = world.backups();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    assert_eq!(point.files, 2);
    let told: serde_json::Value =
        serde_json::from_str(&world.restic(&["dump", &point.id, "/steady/manifest.json"])).unwrap();
    let dump = &told["dumps"][0];
    assert_eq!((&dump["name"], &dump["database"]), (&"pkg".into(), &"pkg".into()));
    assert_eq!(dump["tables"], serde_json::json!(["public.documents", "public.my chunks"]));
    assert_eq!(dump["sha256"].as_str().unwrap().len(), 64);

    world.restic_restore(&point.id);
    let file = world.dir.path().join(format!("restic-{}", point.id)).join("postgres/pkg.dump");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "a dump is private");
    server.sql("postgres", "CREATE DATABASE again");
    let restored = output(
        "pg_restore",
        &["--single-transaction", "--exit-on-error", "-d", &server.url("again"), file.to_str().unwrap()],
    );
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let counts = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM \"my chunks\")";
    assert_eq!(server.sql("again", counts), "300|900");

    // A day with little news costs little: the dump is stored so that the repository knows it again.
    server.sql("pkg", "INSERT INTO documents VALUES (1000, 'one more')");
    let next = take(&backups).await;
    assert!(next.verified.is_some(), "{:?}", next.missing);
    let left: Vec<_> =
        fs::read_dir(world.home().join("backups")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|n| !n.to_string_lossy().starts_with("pgpass")),
        "a password was left behind: {left:?}"
    );
}

#[tokio::test]
async fn a_password_is_in_no_argument_and_no_environment_of_the_dump() {
    let mut world = world();
    world.write("note.md", "x");
    let seen = world.dir.path().join("seen");
    let script = format!(
        "{{ tr '\\0' '\\n' < /proc/$$/cmdline; env; stat -c %a \"$PGPASSFILE\"; }} > {} 2>&1; exit 1",
        seen.display()
    );
    let program = in_the_way(&world, &script);
    dump_of(&mut world, "postgres://ada@127.0.0.1:1/pkg".into(), &[&program]);
    take(&world.backups()).await;
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("--dbname") && seen.contains("PGPASSFILE") && seen.contains("\n600"), "{seen}");
    assert!(!seen.contains("p:a") && !seen.contains(r"p\:a"), "the password is to be seen: {seen}");
}

/// What the point says of a dump that did not come about; the rest of it is there.
async fn failed(mut world: World, url: String, program: &[&str]) -> String {
    world.write("note.md", "safe");
    dump_of(&mut world, url, program);
    let point = take(&world.backups()).await;
    assert_eq!(point.verified, None, "a point without its dump was called good");
    assert_eq!(point.missing.len(), 1, "{:?}", point.missing);
    assert_eq!(world.restic(&["dump", &point.id, "/data/note.md"]), "safe");
    assert!(!world.restic(&["ls", &point.id]).contains("pkg.dump"), "something that is no dump was kept");
    let why = point.missing[0].clone();
    assert!(why.starts_with("postgres/pkg: "), "{why}");
    assert!(!why.contains("p:a"), "{why}");
    why
}

#[tokio::test]
async fn a_server_that_is_away_is_told_in_its_own_words() {
    let why = failed(world(), "postgres://ada@127.0.0.1:1/pkg".into(), &["pg_dump"]).await;
    assert!(why.contains("Connection refused"), "{why}");
}

#[tokio::test]
async fn a_pg_dump_that_is_not_there_says_what_to_do() {
    let why = failed(world(), "postgres://ada@127.0.0.1:1/pkg".into(), &["/nowhere/pg_dump"]).await;
    assert!(why.contains("install PostgreSQL's client programs"), "{why}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_a_failure_and_no_empty_dump() {
    let server = Server::start();
    let why = failed(world(), server.url("nothing"), &["pg_dump"]).await;
    assert!(why.contains("does not exist"), "{why}");
}

#[tokio::test]
async fn success_without_output_is_a_failure() {
    let world = world();
    let program = in_the_way(&world, "exit 0");
    let why = failed(world, "postgres://ada@127.0.0.1:1/pkg".into(), &[&program]).await;
    assert!(why.contains("wrote no dump (0 bytes)"), "{why}");
}

#[tokio::test]
async fn a_dump_that_was_cut_off_is_a_failure_though_its_table_of_contents_is_whole() {
    let server = Server::start();
    two_tables(&server);
    let world = world();
    let program = in_the_way(&world, "/usr/bin/pg_dump \"$@\" | head -c 100000");
    let cut_off = world.dir.path().join("cut-off");
    let made = output(&program, &["--format=custom", "--compress=0", "--dbname", &server.url("pkg")]);
    fs::write(&cut_off, made.stdout).unwrap();
    let listed = output("pg_restore", &["--list", cut_off.to_str().unwrap()]);
    assert!(listed.status.success(), "the test is void: its table of contents cannot be read");
    let why = failed(world, server.url("pkg"), &[&program]).await;
    assert!(why.contains("pg_restore") && why.contains("end of file"), "{why}");
}

#[tokio::test]
async fn a_dump_that_failed_half_way_is_known_by_its_exit_code() {
    let world = world();
    // The output begins well: only the exit code tells.
    let program = in_the_way(&world, "printf PGDMP; echo 'pg_dump: error: lost the server' >&2; exit 1");
    let why = failed(world, "postgres://ada@127.0.0.1:1/pkg".into(), &[&program]).await;
    assert!(why.contains("lost the server") && why.contains("exit status: 1"), "{why}");
}
