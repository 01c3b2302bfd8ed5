//! `steady check`: what a person sees of checks, before and after there is an agent; and the milestones of our own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;
use steady_e2e::{Stack, kill9};
use steady_model::check::Status;
use steady_model::snapshot::ServiceStatus;

#[tokio::test]
async fn a_check_looks_when_it_is_asked_and_shows_what_it_saw() {
    let stack = Stack::green().await;
    let look = stack.steady_json(&["check", "vault"]);
    assert_eq!((&look["name"], &look["status"]), (&"vault".into(), &"pass".into()), "{look}");
    // The judged status waits for more; the look does not.
    std::fs::rename(stack.path("vault"), stack.path("vault-away")).unwrap();
    let out = stack.steady(&["check", "vault"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains("✕ vault (path"), "{out:?}");
    let all = stack.steady(&["check"]);
    let table = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(["brain-health", "captures", "vault", "disk"].iter().all(|name| table.contains(name)), "{table}");
    let out = stack.steady(&["check", "nonsense"]);
    assert_eq!(out.status.code(), Some(1));
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(words.contains("there is no check \"nonsense\"") && words.contains("vault"), "{words}");
}

#[tokio::test]
async fn validation_refuses_probes_that_never_answer_sensibly_and_names_their_lines() {
    let stack = Stack::green().await;
    let good = stack.steady(&["check", "--validate"]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stdout));
    let config = format!(
        "[check.wrong-url]\nkind = \"http\"\nurl = \"{}\"\n\n\
         [check.wrong-key]\nkind = \"http\"\nurl = \"{}\"\nbody = {{ nonsense = \"ok\" }}\n\n\
         [check.right]\nkind = \"http\"\nurl = \"{}\"\nbody = {{ vault = \"ok\" }}\n\n\
         [check.full]\nkind = \"disk\"\npath = \"/\"\nwarn_below = \"99 %\"\nfail_below = \"98 %\"\n",
        stack.brain_url("/no-such-page"),
        stack.brain_url("/health"),
        stack.brain_url("/health"),
    );
    let file = stack.path("other.toml");
    std::fs::write(&file, format!("version = 1\n\n{config}")).unwrap();
    let out = stack.steady(&["check", "--validate", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    let line = |name: &str| said.lines().find(|l| l.contains(&format!("{name}: "))).unwrap().to_owned();
    assert!(line("wrong-url").contains("other.toml:3: wrong-url: refused") && said.contains("404"), "{said}");
    assert!(line("wrong-key").contains("other.toml:7: wrong-key: refused"), "{said}");
    assert!(line("right").contains("answers"), "{said}");
    assert!(line("full").contains("answers, and has bad news"), "a full disk is no wrong probe: {said}");
    let out = stack.steady(&["check", "right", "--validate", "--config", file.to_str().unwrap(), "--json"]);
    assert_eq!(out.status.code(), Some(0));
    let trials: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((trials.as_array().unwrap().len(), &trials[0]["trial"]), (1, &"answers".into()));
}

#[tokio::test]
async fn what_steady_has_done_is_told_as_json_lines_and_the_rest_as_words() {
    let stack = Stack::green().await;
    let s = stack.until("a restore point", |s| !s.backup.points.is_empty() && s.verdict.busy.is_none()).await;
    kill9(Stack::pid_of(&s, "brain").unwrap());
    stack
        .until("brain is back", |s| {
            s.services[0].state == ServiceStatus::Ready
                && s.services[0].restarts > 0
                && s.services[0].status == Status::Pass
        })
        .await;
    let told = std::fs::read_to_string(stack.home().join("events.jsonl")).unwrap();
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |event: &str| {
        events.iter().find(|e| e["event"] == event).unwrap_or_else(|| panic!("{event}: {told}"))
    };
    assert_eq!(find("sync_complete")["job"], "daily-sync");
    assert_eq!(find("sync_complete")["outcome"], "succeeded");
    assert!(find("backup_complete")["duration_ms"].as_u64().is_some());
    let restart = find("restart_complete");
    assert_eq!(restart["service"], "brain");
    assert!(restart["cause"].as_str().unwrap().contains("KILL"), "{restart}");
    let log = std::fs::read_to_string(stack.home().join("agent.log")).unwrap();
    let (json, words): (Vec<&str>, Vec<&str>) = log.lines().partition(|l| l.starts_with('{'));
    assert_eq!(json, told.lines().collect::<Vec<_>>(), "the same in the agent's own log");
    assert!(!words.is_empty());
}
