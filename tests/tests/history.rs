//! What was, told honestly: also when the agent is killed, and when the clock jumps.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the history announces nothing: it is asked until a limit")]

use std::fs;

use steady_client::Client;
use steady_e2e::{Stack, kill9};
use steady_model::history::{HistoryPage, HistoryQuery, Interval, Lived};

const VAULT: &str =
    "[check.vault]\nkind = \"path\"\npath = \"vault\"\ninterval = \"200ms\"\nworsen = 1\nimprove = 1\n";

async fn history(client: &Client, subject: &str) -> HistoryPage {
    let wanted = HistoryQuery { subject: Some(subject.into()), ..HistoryQuery::default() };
    client.history(&wanted).await.unwrap_or_else(|e| panic!("{e}"))
}

/// The history of the vault once its newest interval is as wanted.
async fn until(stack: &Stack, status: Lived) -> Vec<Interval> {
    let client = stack.client();
    for _ in 0..400 {
        let wanted = HistoryQuery { subject: Some("vault".into()), ..HistoryQuery::default() };
        // Before the first write nothing has a history.
        if let Ok(page) = client.history(&wanted).await
            && page.intervals.first().is_some_and(|newest| newest.status == status)
        {
            return page.intervals;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never {status:?}: {:#?}", history(&client, "vault").await);
}

fn assert_honest(intervals: &[Interval]) {
    for interval in intervals {
        assert!(interval.to.is_none_or(|to| to >= interval.from), "negative: {interval:?}");
    }
    let open = intervals.iter().filter(|i| i.to.is_none()).count();
    assert_eq!(open, 1, "{intervals:#?}");
}

#[tokio::test]
async fn a_failure_is_kept_as_an_interval_and_the_time_of_a_killed_agent_is_not_known() {
    let stack = Stack::with(VAULT);
    let vault = stack.path("vault");
    fs::create_dir(&vault).unwrap();
    fs::write(vault.join("note.md"), "# A note").unwrap();
    stack.up();
    until(&stack, Lived::Pass).await;
    fs::rename(&vault, stack.path("away")).unwrap();
    let failed = until(&stack, Lived::Fail).await;
    assert!(failed[0].sentence.contains("vault"), "{failed:?}");
    assert_eq!(failed[1].status, Lived::Pass);
    assert_eq!(failed[1].to, Some(failed[0].from), "without a hole");

    let killed = stack.client().snapshot().await.unwrap();
    kill9(killed.agent.pid);
    fs::rename(stack.path("away"), &vault).unwrap();
    stack.up();
    let after = until(&stack, Lived::Pass).await;
    assert_honest(&after);
    let away = after.iter().find(|i| i.sentence == "Steady did not run").unwrap();
    assert_eq!(away.status, Lived::Unknown);
    let next = stack.client().snapshot().await.unwrap().agent.started;
    assert!(away.from >= failed[0].from && away.to.unwrap() <= next, "{away:?}");
    let last = after.iter().find(|i| i.status == Lived::Fail).unwrap();
    assert!(last.to.unwrap() <= away.from, "{last:?} lasts into {away:?}");

    let told = stack.steady(&["history", "vault"]);
    let table = String::from_utf8(told.stdout).unwrap();
    for word in ["FROM", "failed", "Steady did not run", "ok"] {
        assert!(table.contains(word), "{word} in\n{table}");
    }
    let json = stack.steady_json(&["history", "--since", "1h"]);
    assert_eq!(json["subject"], "overall");
    assert!(!stack.steady(&["history", "nobody"]).status.success());
    assert!(stack.steady(&["down"]).status.success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_clock_that_jumps_makes_no_negative_interval() {
    let stack = Stack::with(VAULT);
    let vault = stack.path("vault");
    fs::create_dir(&vault).unwrap();
    fs::write(vault.join("note.md"), "# A note").unwrap();
    let (mut agent, clock) = stack.agent_with_clock();
    until(&stack, Lived::Pass).await;
    for (jump, change) in [("+1d", false), ("-1d", true), ("+0", false)] {
        fs::write(&clock, jump).unwrap();
        if change {
            fs::remove_file(vault.join("note.md")).unwrap();
            stack.until("it fails", |s| s.verdict.status != steady_model::check::Status::Pass).await;
        }
        let status = stack.until("it is seen anew", |_| true).await.checks[0].status;
        let intervals = until(&stack, Lived::from(status)).await;
        assert_honest(&intervals);
    }
    let all = history(&stack.client(), "vault").await.intervals;
    assert!(all.iter().any(|i| i.status != Lived::Pass), "{all:#?}");
    assert!(stack.steady(&["down"]).status.success());
    assert!(agent.wait().unwrap().success());
}
