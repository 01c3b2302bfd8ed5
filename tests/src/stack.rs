use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use steady_client::Client;
use steady_model::check::Status;
use steady_model::snapshot::Snapshot;
use tempfile::TempDir;

/// No condition of a test takes longer on a busy machine with two cores.
pub const LIMIT: Duration = Duration::from_secs(45);

/// A program built by this workspace.
pub fn bin(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not built; `make test` builds it first", path.display());
    path
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub struct Stack {
    dir: TempDir,
    /// The demo stack, or a configuration of the test's own.
    demo: bool,
    pub brain_port: u16,
    pub panel_port: u16,
}

impl Stack {
    /// A demo folder on free ports; nothing runs yet.
    pub fn prepare() -> Self {
        let stack = Self { dir: folder(), demo: true, brain_port: free_port(), panel_port: free_port() };
        let config = include_str!("../../crates/cli/src/demo.toml")
            .replace("7457", &stack.panel_port.to_string())
            .replace("8741", &stack.brain_port.to_string())
            // The room that is left on the machine of the tests is no matter of theirs.
            .replace("kind = \"disk\"", "kind = \"disk\"\nwarn_below = \"20 MB\"\nfail_below = \"10 MB\"")
            .replace("interval = \"5s\"", "interval = \"1s\"")
            .replace("interval = \"10s\"", "interval = \"1s\"");
        std::fs::write(stack.path("steady.toml"), config).unwrap();
        stack
    }

    /// A configuration of the test's own, below its `[agent]` section; nothing runs yet.
    pub fn with(sections: &str) -> Self {
        let stack = Self { dir: folder(), demo: false, brain_port: free_port(), panel_port: free_port() };
        stack.configure(sections);
        stack
    }

    /// Writes another configuration of the test's own.
    pub fn configure(&self, sections: &str) {
        self.configure_from("", sections);
    }

    /// The same, with lines of keys that stand above all sections, such as `preset`.
    pub fn configure_from(&self, head: &str, sections: &str) {
        let listen = format!("[agent]\nlisten = \"127.0.0.1:{}\"\n", self.panel_port);
        std::fs::write(self.path("steady.toml"), format!("version = 1\n{head}{listen}{sections}")).unwrap();
    }

    /// A prepared stack whose dot is green: services ready, synced, backed up.
    pub async fn green() -> Self {
        let stack = Self::prepare();
        stack.up();
        stack
            .until("brain is ready", |s| {
                Self::pid_of(s, "brain").is_some() && s.services[0].status == Status::Pass
            })
            .await;
        // The schedule would run it too, after the settling time of a fresh agent.
        stack.steady_json(&["run", "daily-sync"]);
        stack.until("all is well", |s| s.verdict.reasons.is_empty() && s.verdict.busy.is_none()).await;
        stack
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path(".steady")
    }

    pub fn client(&self) -> Client {
        Client::new(&self.home()).unwrap()
    }

    /// `steady up --agent-only` over this folder.
    pub fn up(&self) {
        let out = self.up_output();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    pub fn up_output(&self) -> Output {
        let mut up = Command::new(bin("steady"));
        up.args(["up", "--agent-only"]);
        if self.demo {
            self.run(up.arg("--demo").arg(self.dir.path()))
        } else {
            self.run(up.arg("--home").arg(self.home()).arg("--config").arg(self.path("steady.toml")))
        }
    }

    /// `steady --home … ARGS`, to its end.
    pub fn steady(&self, args: &[&str]) -> Output {
        self.run(Command::new(bin("steady")).arg("--home").arg(self.home()).args(args))
    }

    /// The same, which must succeed, with its JSON answer.
    pub fn steady_json(&self, args: &[&str]) -> Value {
        let out = self.steady(&[args, &["--json"]].concat());
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    fn run(&self, command: &mut Command) -> Output {
        // A pipe that a detached child inherits would never end: outputs go to files.
        let out = tempfile::tempfile().unwrap();
        let err = tempfile::tempfile().unwrap();
        let status = command
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(err.try_clone().unwrap())
            .status()
            .unwrap();
        Output { status, stdout: read_back(out), stderr: read_back(err) }
    }

    /// Waits for a snapshot that satisfies `holds`; panics with the last one after [`LIMIT`].
    pub async fn until(&self, what: &str, holds: impl FnMut(&Snapshot) -> bool) -> Snapshot {
        until(&self.client(), what, holds).await
    }

    pub fn brain_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.brain_port)
    }

    /// Titles of brain's conversations, which the tests change and bring back.
    pub async fn conversations(&self) -> Vec<String> {
        let body: Value =
            reqwest::get(self.brain_url("/api/v1/conversations")).await.unwrap().json().await.unwrap();
        let list =
            body.as_array().or_else(|| body["conversations"].as_array()).unwrap_or_else(|| panic!("{body}"));
        let mut titles: Vec<String> = list.iter().map(|c| c["title"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    }

    /// Answers the new conversation's id.
    pub async fn converse(&self, title: &str) -> String {
        let body = serde_json::json!({ "title": title, "text": "said in a test" });
        let answer = reqwest::Client::new()
            .post(self.brain_url("/api/v1/conversations"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let body: Value = answer.json().await.unwrap();
        body["id"].to_string().trim_matches('"').to_owned()
    }

    pub async fn forget(&self, id: &str) {
        let url = self.brain_url(&format!("/api/v1/conversations/{id}"));
        let answer = reqwest::Client::new().delete(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    pub fn pid_of(s: &Snapshot, service: &str) -> Option<u32> {
        s.services.iter().find(|v| v.name == service).and_then(|v| v.pid)
    }
}

/// Waits on the agent's events.
async fn until(client: &Client, what: &str, mut holds: impl FnMut(&Snapshot) -> bool) -> Snapshot {
    let mut last = None;
    let watch = async {
        let mut links = std::pin::pin!(steady_client::follow(client.clone()));
        while let Some(link) = links.next().await {
            if let steady_client::Link::Live(snapshot) = link {
                if holds(&snapshot) {
                    return Some(*snapshot);
                }
                last = Some(snapshot);
            }
        }
        None
    };
    match tokio::time::timeout(LIMIT, watch).await {
        Ok(Some(snapshot)) => snapshot,
        _ => panic!(
            "not seen within {LIMIT:?}: {what}; last: {:#?}",
            last.map(|s| (s.verdict, s.services, s.checks))
        ),
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("steady-e2e-").tempdir().unwrap()
}

fn read_back(mut file: std::fs::File) -> Vec<u8> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// KILL, as an outage would.
pub fn kill9(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Whether it runs; one that has ended and was not yet reaped does not.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A killed agent leaves its services running: the next one takes them back and ends them.
        if !self.steady(&["down"]).status.success() && self.path(".steady/journal").exists() {
            self.up_output();
            self.steady(&["down"]);
        }
    }
}
