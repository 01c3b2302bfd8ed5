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
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use steady_model::config::{PostgresDump, PostgresServer, SecretRef};
use support::{World, take, world};

const PASSWORD: &str = r"p:a\s'w";

/// A cluster of its own, gone with the value.
struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL's server is needed: apt-get install postgresql")
            .map(|e| e.unwrap().path().join("bin"))
            .filter(|bin| bin.join("initdb").exists())
            .collect();
        versions.sort();
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { dir, bin: versions.pop().unwrap(), port };
        let secret = server.dir.path().join("initial");
        fs::write(&secret, PASSWORD).unwrap();
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
        server
            .run("initdb", &["--username=ada", "--auth=scram-sha-256", "--pwfile", secret.to_str().unwrap()]);
        let options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off");
        server.run(
            "pg_ctl",
            &["-w", "-l", server.dir.path().join("log").to_str().unwrap(), "-o", &options, "start"],
        );
        server
    }

    /// The server's own programs refuse root.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.dir.path());
        command
    }

    fn run(&self, program: &str, args: &[&str]) {
        let mut command = self.command(program);
        let log = fs::File::create(self.dir.path().join(format!("{program}.log"))).unwrap();
        command.arg("-D").arg(self.dir.path().join("cluster")).args(args);
        // Its server keeps the pipes open: so no pipes.
        let status = command.stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        let said = fs::read_to_string(self.dir.path().join(format!("{program}.log"))).unwrap();
        assert!(status.success(), "{program}: {said}");
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        let out = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://ada@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        let _ =
            stop.arg("-D").arg(self.dir.path().join("cluster")).args(["-m", "immediate", "stop"]).output();
    }
}

fn dump_of(world: &mut World, url: String, program: &[&str]) {
    let secret = world.dir.path().join("pg-password");
    fs::write(&secret, PASSWORD).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let server = PostgresServer { url, password: Some(SecretRef::File(secret)) };
    let program = program.iter().map(|w| (*w).to_owned()).collect();
    world.capture.postgres = [("pkg".to_owned(), PostgresDump { server, program })].into();
}

fn two_tables(server: &Server) {
    server.sql("postgres", "CREATE DATABASE pkg");
    server.sql(
        "pkg",
        "CREATE TABLE documents(id int PRIMARY KEY, body text);
         CREATE TABLE \"my chunks\"(id int, document int REFERENCES documents);
         INSERT INTO documents SELECT n, repeat('text ', 2000) FROM generate_series(1, 300) n;
         INSERT INTO \"my chunks\" SELECT n, n % 300 + 1 FROM generate_series(1, 900) n",
    );
}

/// A program named `pg_dump` that does `script`, with the real `pg_restore` beside it.
fn in_the_way(world: &World, script: &str) -> String {
    let bin = world.dir.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("pg_dump");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    if !bin.join("pg_restore").exists() {
        std::os::unix::fs::symlink("/usr/bin/pg_restore", bin.join("pg_restore")).unwrap();
    }
    program.to_str().unwrap().to_owned()
}

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
