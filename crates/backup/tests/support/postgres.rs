//! A PostgreSQL server of a test's own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use steady_model::config::{PostgresDump, PostgresServer, SecretRef};

use super::World;

pub const PASSWORD: &str = r"p:a\s'w";

/// A cluster of its own, gone with the value.
pub struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
}

impl Server {
    pub fn start() -> Self {
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

    pub fn sql(&self, database: &str, sql: &str) -> String {
        let out = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    pub fn url(&self, database: &str) -> String {
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

pub fn dump_of(world: &mut World, url: String, program: &[&str]) {
    let secret = world.dir.path().join("pg-password");
    fs::write(&secret, PASSWORD).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let server = PostgresServer { url, password: Some(SecretRef::File(secret)) };
    let program = program.iter().map(|w| (*w).to_owned()).collect();
    world.capture.postgres = [("pkg".to_owned(), PostgresDump { server, program, drill: None })].into();
}

pub fn two_tables(server: &Server) {
    server.sql("postgres", "CREATE DATABASE pkg");
    server.sql(
        "pkg",
        "CREATE TABLE documents(id int PRIMARY KEY, body text);
         CREATE TABLE \"my chunks\"(id int, document int REFERENCES documents);
         INSERT INTO documents SELECT n, repeat('text ', 2000) FROM generate_series(1, 300) n;
         INSERT INTO \"my chunks\" SELECT n, n % 300 + 1 FROM generate_series(1, 900) n",
    );
}

/// A program named `pg_dump` that does `script`, with the real `pg_restore` and `psql` beside it.
pub fn in_the_way(world: &World, script: &str) -> String {
    let bin = world.dir.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("pg_dump");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    for beside in ["pg_restore", "psql"] {
        if !bin.join(beside).exists() {
            std::os::unix::fs::symlink(Path::new("/usr/bin").join(beside), bin.join(beside)).unwrap();
        }
    }
    program.to_str().unwrap().to_owned()
}
