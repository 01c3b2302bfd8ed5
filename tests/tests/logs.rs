//! Logs of real services, read and followed as people and clients do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::pin::pin;

use futures_util::StreamExt;
use steady_client::{ClientError, LogNews};
use steady_e2e::{LIMIT, Stack, kill9};
use steady_model::api::LogQuery;
use steady_model::check::Status;
use steady_model::snapshot::ServiceStatus;

/// `counter` writes 5,000 numbered lines over several rotations and compressed files, then one for each line in
/// `more`; `greeter` writes two.
const TWO: &str = r#"
[service.counter]
command = ["sh", "-c", "touch more; i=1; while [ $i -le 5000 ]; do echo \"number $i of many\"; i=$((i+1)); done; exec tail -n +1 -f more"]
log = { max_size = "20 kB", keep = 9 }
[service.greeter]
command = ["sh", "-c", "echo hello; echo good day; exec sleep 1000"]
"#;

fn say(stack: &Stack, line: &str) {
    use std::io::Write;
    let mut more = std::fs::OpenOptions::new().append(true).open(stack.path("more")).unwrap();
    writeln!(more, "{line}").unwrap();
}

async fn until_written(stack: &Stack, service: &str, line: &str) {
    let wanted = LogQuery { lines: Some(1), ..LogQuery::default() };
    let written = async {
        while stack.client().logs(service, &wanted).await.unwrap().lines != [line] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, written).await.unwrap();
}

#[tokio::test]
async fn logs_are_found_by_pattern_and_time_across_rotations_also_without_an_agent() {
    let stack = Stack::with(TWO);
    stack.up();
    until_written(&stack, "counter", "number 5000 of many").await;
    until_written(&stack, "greeter", "good day").await;
    let found = stack.steady_json(&["logs", "counter", "--grep", "number (7|4999) ", "-n", "5"]);
    assert_eq!(found["lines"], serde_json::json!(["number 7 of many", "number 4999 of many"]));
    let api = LogQuery { grep: Some("^number 12 ".into()), since: Some("1h".into()), lines: None };
    assert_eq!(stack.client().logs("counter", &api).await.unwrap().lines, ["number 12 of many"]);
    let none = stack.steady_json(&["logs", "counter", "--since", "2099-01-01"]);
    assert_eq!(none["lines"], serde_json::json!([]));

    let wrong = LogQuery { grep: Some("(".into()), ..LogQuery::default() };
    let refused = stack.client().logs("counter", &wrong).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(p) if p.code == "wrong"), "{refused:?}");
    let unknown = stack.steady(&["logs", "countre"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("configured: counter, greeter"));

    assert!(stack.steady(&["down"]).status.success());
    let out = stack.steady(&["logs", "-n", "2"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: std::collections::BTreeSet<&str> = text.lines().collect();
    let expected = [
        "counter | number 4999 of many",
        "counter | number 5000 of many",
        "greeter | good day",
        "greeter | hello",
    ];
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_followed_log_goes_on_across_a_killed_agent_without_losing_or_doubling_a_line() {
    let stack = Stack::with(TWO);
    stack.up();
    until_written(&stack, "counter", "number 5000 of many").await;
    let wanted = LogQuery { lines: Some(4), ..LogQuery::default() };
    let mut news = pin!(stack.client().follow_log("counter", wanted));
    let mut seen: Vec<String> = Vec::new();
    let mut outages = 0;
    for (round, last) in ["number 5000 of many", "said 0", "said 1", "said 2"].into_iter().enumerate() {
        if round > 0 {
            say(&stack, last);
        }
        let read = async {
            while seen.last().is_none_or(|line| line != last) {
                match news.next().await.unwrap().unwrap() {
                    LogNews::Lines(lines) => seen.extend(lines),
                    LogNews::Gap(lines) => panic!("{lines} lines were left out"),
                    LogNews::Gone { .. } => outages += 1,
                }
            }
        };
        tokio::time::timeout(LIMIT, read).await.unwrap();
        if round == 2 {
            kill9(stack.client().snapshot().await.unwrap().agent.pid);
            say(&stack, "said to nobody");
            stack.up();
        }
    }
    let expected: Vec<String> = (4997..=5000)
        .map(|n| format!("number {n} of many"))
        .chain(["said 0", "said 1", "said to nobody", "said 2"].map(str::to_owned))
        .collect();
    assert_eq!(seen, expected);
    assert!(outages > 0, "the outage was not told");
}

#[tokio::test]
async fn a_flood_of_one_line_is_a_warning_that_quotes_it() {
    let stack = Stack::with(
        "[service.broken]\ncommand = [\"sh\", \"-c\", \"while true; do echo cannot reach the store; done\"]\n\
         log = { max_size = \"1 MB\", keep = 1 }\n",
    );
    stack.up();
    let told = stack
        .until("the flood is told", |s| {
            s.checks.iter().any(|c| c.name == "log:broken" && c.status == Status::Warn)
        })
        .await;
    let check = told.checks.iter().find(|c| c.name == "log:broken").unwrap();
    assert!(check.evidence.starts_with("broken repeats one line, "), "{}", check.evidence);
    assert!(check.evidence.ends_with("so far: cannot reach the store"), "{}", check.evidence);
    assert_eq!(told.verdict.status, Status::Warn, "a flood is no failure");
}

#[tokio::test]
async fn a_service_over_its_memory_limit_is_restarted_and_its_figures_are_shown() {
    // It takes its memory only once it was seen without.
    let stack = Stack::with(
        "[service.eater]\ncommand = [\"sh\", \"-c\", \"cat go >/dev/null; \
         x=$(head -c 100000000 /dev/zero | tr '\\\\0' a); exec 3<>go; read -r y <&3\"]\nmemory_limit = \"40 MB\"\n",
    );
    let fifo = stack.path("go");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    stack.up();
    let lean = stack
        .until("its figures are shown", |s| s.services[0].usage.as_ref().is_some_and(|u| u.memory_bytes > 0))
        .await;
    assert!(lean.services[0].usage.as_ref().unwrap().memory_bytes < 40_000_000);
    assert_eq!(lean.services[0].state, ServiceStatus::Ready);
    let table = String::from_utf8(stack.steady(&["status"]).stdout).unwrap();
    assert!(table.contains("MEMORY"), "{table}");
    std::fs::write(&fifo, "go\n").unwrap();
    let restarted = stack.until("it was restarted", |s| s.services[0].restarts == 1).await;
    let why = restarted.services[0].last_exit.clone().unwrap();
    assert!(why.contains("MB of memory, its limit is 40.0 MB"), "{why}");
}
