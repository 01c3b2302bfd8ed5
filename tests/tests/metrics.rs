//! What Prometheus makes of `/metrics`, and what its rules make of that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "Prometheus does not tell when it has scraped: it is asked until a limit"
)]

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use steady_e2e::{LIMIT, Stack};
use steady_model::check::Status;

fn rules() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/prometheus")
}

/// Its words, when it objects.
fn promtool(args: &[&str], input: &str) -> Result<(), String> {
    let mut promtool = Command::new("promtool")
        .args(args)
        .current_dir(rules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool; `make test` installs it");
    promtool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = promtool.wait_with_output().unwrap();
    let words = [out.stdout, out.stderr].concat();
    if out.status.success() { Ok(()) } else { Err(String::from_utf8(words).unwrap()) }
}

async fn scrape(stack: &Stack, accept: &str) -> (String, String) {
    let url = format!("http://127.0.0.1:{}/metrics", stack.panel_port);
    let answer = reqwest::Client::new().get(url).header("accept", accept).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text().await.unwrap())
}

/// A Prometheus of this test, which scrapes the agent every second.
struct Prometheus {
    process: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    fn of(stack: &Stack) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\n\
             scrape_configs:\n  - job_name: steady\n    static_configs: [{{ targets: ['127.0.0.1:{}'] }}]\n",
            rules().join("steady.rules.yml").display(),
            stack.panel_port
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .spawn()
            .expect("prometheus; `make test` installs it");
        Self { process, port, _dir: dir }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        reqwest::get(url).await.ok()?.json::<Value>().await.ok()
    }

    /// Asks until the query has an answer that holds: its values by the label named.
    async fn until(&self, query: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        let query = reqwest::Url::parse_with_params("http://x/query", [("query", query)]).unwrap();
        let path = format!("query?{}", query.query().unwrap());
        loop {
            let answer = self.get(&path).await;
            let found =
                answer.as_ref().and_then(|a| a["data"]["result"].as_array().cloned()).unwrap_or_default();
            if holds(&found) {
                return found;
            }
            assert!(
                begun.elapsed() <= LIMIT,
                "{query}: {answer:?}; targets: {:?}",
                self.get("targets").await
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_shipped_alerts_fire_when_they_should_and_only_then() {
    promtool(&["check", "rules", "steady.rules.yml"], "").unwrap();
    promtool(&["test", "rules", "steady.rules.test.yml"], "").unwrap();
}

#[tokio::test]
async fn prometheus_reads_both_formats_and_answers_what_the_agent_knows() {
    let stack = Stack::prepare();
    let plugin = stack.path("plugin");
    std::fs::write(&plugin, "#!/bin/sh\necho 'OK - as it should be | depth=3;100;200'\n").unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o700)).unwrap();
    let toml = stack.path("steady.toml");
    let check = "\n[check.plugin]\nkind = \"command\"\ncommand = [\"./plugin\"]\ninterval = \"1s\"\n";
    std::fs::write(&toml, std::fs::read_to_string(&toml).unwrap() + check).unwrap();
    stack.up();
    stack
        .until("brain is ready", |s| s.services[0].status == Status::Pass && s.services[0].pid.is_some())
        .await;
    stack.steady_json(&["run", "daily-sync"]);
    stack.until("a restore point", |s| s.backup.points.iter().any(|p| p.verified.is_some())).await;
    let (kind, text) = scrape(&stack, "*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    promtool(&["check", "metrics"], &text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let (kind, open) = scrape(&stack, "application/openmetrics-text;version=1.0.0").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.ends_with("# EOF\n"), "{open}");

    // It asks for OpenMetrics first.
    let prometheus = Prometheus::of(&stack);
    prometheus.until("up{job=\"steady\"} == 1", |found| !found.is_empty()).await;
    let services = prometheus.until("steady_service_ready", |found| !found.is_empty()).await;
    assert_eq!((&services[0]["metric"]["service"], &services[0]["value"][1]), (&"brain".into(), &"1".into()));
    let vault = "steady_check_status{check=\"vault\",status=\"pass\"} == 1";
    assert_eq!(prometheus.until(vault, |found| !found.is_empty()).await[0]["metric"]["kind"], "path");
    prometheus.until("steady_build_info", |found| found.len() == 1).await;
    prometheus
        .until("time() - steady_job_last_success_timestamp_seconds < 120", |found| found.len() == 1)
        .await;
    prometheus.until("time() - steady_backup_last_verified_timestamp_seconds < 120", |f| f.len() == 1).await;
    prometheus.until("steady_check_measured{unit=\"bytes\"} > 0", |found| !found.is_empty()).await;

    let measured = prometheus.until("steady_check_perfdata", |found| !found.is_empty()).await;
    assert_eq!(measured[0]["value"][1], "3", "{measured:?}");

    // A failing probe is a value, not an error page.
    std::fs::rename(stack.path("vault"), stack.path("vault-away")).unwrap();
    stack.until("the vault is missed", |s| s.verdict.status == Status::Fail).await;
    prometheus.until("steady_verdict{status=\"fail\"} == 1", |found| !found.is_empty()).await;
    prometheus.until("up{job=\"steady\"} == 1", |found| !found.is_empty()).await;
    let alert = "ALERTS{alertname=\"SteadyCheckFails\",check=\"vault\"}";
    prometheus.until(alert, |found| !found.is_empty()).await;

    stack.steady(&["stop"]);
    prometheus.until("steady_service_wanted == 0", |found| !found.is_empty()).await;
    stack.steady(&["down"]);
    prometheus.until("up{job=\"steady\"} == 0", |found| !found.is_empty()).await;
}
