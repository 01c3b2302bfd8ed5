//! A real `brain` with its own folders, ended with the test.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use steady_disk::{FileLock, Holder};

pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits for a condition, at most `LIMIT`.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} for: {what}");
        tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
    }
}

pub struct World {
    pub dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("vault")).unwrap();
        Self { dir }
    }

    pub fn vault(&self) -> PathBuf {
        self.dir.path().join("vault")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn note(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.vault().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `brain <command>` with this world's folders and nothing else from outside.
    pub fn command(&self, command: &str) -> Command {
        let mut brain = Command::new(env!("CARGO_BIN_EXE_brain"));
        brain.env_clear().env("BRAIN_VAULT", self.vault()).env("BRAIN_DATA", self.data()).arg(command);
        brain
    }

    pub fn serve(&self) -> Brain {
        self.serve_on(0)
    }

    pub fn serve_on(&self, port: u16) -> Brain {
        Brain::start(self.command("serve").args(["--port", &port.to_string()]))
    }

    /// Takes the lock of the index, between two runs of the background.
    pub async fn hold_lock(&self, pid: u32) -> FileLock {
        let holder = Holder { pid, what: "the test".into(), since: "2026-11-22T10:00:00Z".into() };
        let mut held = None;
        until("the lock of the index", async || {
            held = FileLock::try_acquire(&self.data().join(".reindex_lock"), &holder).ok();
            held.is_some()
        })
        .await;
        held.unwrap()
    }

    /// Runs `brain sync` to its end: exit code and log.
    pub fn sync(&self, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
        let out = self.command("sync").args(args).envs(env.iter().copied()).output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    }
}

pub struct Brain {
    pub child: Child,
    pub port: u16,
    log: mpsc::Receiver<String>,
    http: reqwest::Client,
}

impl Brain {
    pub fn start(command: &mut Command) -> Self {
        Self::announced(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Started with nobody at the other end of its log.
    pub fn start_deaf(command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Self::announced(command.stdout(Stdio::piped()).stderr(writer).spawn().unwrap())
    }

    fn announced(mut child: Child) -> Self {
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = child.stderr.take();
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.map(|mut err| err.read_to_string(&mut text));
            let _ = send.send(text);
        });
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("brain listening on 127.0.0.1:");
        let Some(port) = address.and_then(|port| port.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no listening line but {line:?}; log: {}", log.recv_timeout(LIMIT).unwrap_or_default());
        };
        Self { child, port, log, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.url(path))).await
    }

    pub async fn search(&self, q: &str) -> Vec<String> {
        let (status, body) = answer(self.http.get(self.url("/api/v1/search")).query(&[("q", q)])).await;
        assert_eq!(status, 200, "{body}");
        let hits = body["results"].as_array().unwrap();
        hits.iter().map(|hit| hit["path"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.http.delete(self.url(path))).await
    }

    pub async fn index(&self) -> Value {
        let (status, body) = self.post("/api/v1/index", Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Dies like in a power cut.
    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end that was asked for: status and log.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("brain to end", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (status.unwrap(), self.log.recv_timeout(LIMIT).unwrap())
    }
}

impl Drop for Brain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap();
    if body.is_empty() {
        return (status, Value::Null);
    }
    (status, serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {body:?}")))
}

/// The JSON milestones in a log, after the prefix.
pub fn milestones(log: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| line.split_once("] brain.sync: "))
        .filter_map(|(_, json)| serde_json::from_str(json).ok())
        .collect()
}

pub fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A mounted file system, gone with the test.
#[cfg(target_os = "linux")]
pub struct Mount(PathBuf);

#[cfg(target_os = "linux")]
impl Mount {
    /// `None` where mounting is not allowed.
    pub fn at(at: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(at).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
