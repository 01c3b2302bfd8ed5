//! A job that plays the traps of the first users' own, and what the dot, the record and the API say of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test waits on a condition, with a limit")]

use std::fs;

use serde_json::Value;
use steady_e2e::{Stack, alive, kill9};
use steady_model::check::Status;
use steady_model::job::Outcome;
use steady_model::snapshot::{JobView, Snapshot};

/// As theirs does: it writes its own marker unless it crashed, whatever came of its steps.
const JOB: &str = r#"
echo $$ > leader
say() { echo "2026-02-24 21:00:03 [INFO] secondbrain.scripts: $1" >&2; }
done_well() { date +%Y-%m-%dT%H:%M:%S.%6N > data/.sync_completed; }
mode=$(cat mode)
case $mode in
  models-down)
    say '{"event":"inbox_complete","processed":1,"duration_ms":9}'
    say '{"event":"extraction_complete","summary":"Extracted 0, failed 1, skipped 0","duration_ms":9}' ;;
  index-down)
    say '{"event":"reindex_complete","summary":"Reindex trigger written (server not reachable; later)"}' ;;
  exception)
    say '{"event":"sync_failed","error":"note.md is not UTF-8"}'
    date "+%Y-%m-%dT%H:%M:%S.%6N: note.md is not UTF-8" > data/.sync_failed
    exit 1 ;;
  hang)
    sh -c 'echo $$ > child; trap "" TERM; while :; do sleep 1; done' &
    trap "" TERM
    while :; do sleep 1; done ;;
  *) say '{"event":"extraction_complete","summary":"Extracted 3, failed 0, skipped 4"}' ;;
esac
command=all
[ "$mode" = tasks ] && command=tasks
say "{\"event\":\"sync_complete\",\"command\":\"$command\",\"duration_ms\":12}"
done_well
"#;

struct Trap(Stack);

impl Trap {
    async fn set(keys: &str) -> Self {
        let section = format!(
            "[job.daily-sync]\ncommand = [\"sh\", \"sync.sh\"]\nmarkers = \"data\"\nwhole = \"all\"\n{keys}\n"
        );
        let stack = Stack::with(&section);
        fs::create_dir(stack.path("data")).unwrap();
        fs::write(stack.path("sync.sh"), JOB).unwrap();
        stack.up();
        let trap = Self(stack);
        trap.until("it was looked at", |job| job.phrase == "never synced").await;
        trap
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&JobView) -> bool) -> JobView {
        let holds = |s: &Snapshot| s.jobs.first().is_some_and(&mut holds);
        self.0.until(what, holds).await.jobs.remove(0)
    }

    /// Runs it to its end.
    async fn run(&self, mode: &str) -> JobView {
        let id = self.begin(mode).await;
        self.until(mode, |job| job.runs.first().is_some_and(|r| r.id == id) && job.running_since.is_none())
            .await
    }

    async fn begin(&self, mode: &str) -> String {
        fs::write(self.0.path("mode"), mode).unwrap();
        self.0.client().run_job("daily-sync").await.unwrap().id.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.0.client().request("GET", path, None).await.unwrap()
    }

    async fn pid_in(&self, file: &str) -> u32 {
        for _ in 0..450 {
            if let Ok(pid) = fs::read_to_string(self.0.path(file)).unwrap_or_default().trim().parse() {
                return pid;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{file} was never written");
    }
}

#[tokio::test]
async fn what_exits_0_and_marks_success_is_amber_when_its_milestones_admit_a_failure() {
    let trap = Trap::set("").await;
    for (mode, admitted) in [("models-down", "failed 1"), ("index-down", "not reachable")] {
        let job = trap.run(mode).await;
        assert_eq!(job.status, Status::Warn, "{mode}: {}", job.phrase);
        assert!(job.phrase.contains("partial") && job.phrase.contains(admitted), "{}", job.phrase);
        assert!(matches!(job.runs[0].outcome, Outcome::Partial { .. }));
        assert!(job.last_success.is_none(), "{mode} made the data fresh");
        let theirs = trap.get("/api/v1/admin/sync-status").await;
        assert_eq!((&theirs["status"], &theirs["last_sync"]), (&"failed".into(), &Value::Null), "{theirs}");
    }
    let job = trap.run("good").await;
    assert_eq!((job.status, job.phrase.as_str()), (Status::Pass, "synced just now"));
}

#[tokio::test]
async fn a_run_of_a_subcommand_refreshes_nothing_and_clears_no_failure() {
    let trap = Trap::set("").await;
    trap.run("good").await;
    let failed = trap.run("exception").await;
    assert_eq!(failed.status, Status::Warn);
    assert!(failed.phrase.contains("note.md is not UTF-8"), "{}", failed.phrase);
    let part = trap.run("tasks").await;
    assert_eq!(part.runs[0].part.as_deref(), Some("tasks"));
    assert_eq!(part.status, Status::Warn, "its marker cleared the failure: {}", part.phrase);
    assert!(part.phrase.contains("note.md is not UTF-8"), "{}", part.phrase);
    let again = trap.run("exception").await;
    assert_eq!(again.status, Status::Fail, "twice in a row: {}", again.phrase);
}

#[tokio::test]
async fn a_killed_run_is_told_and_a_run_that_hangs_ends_with_its_whole_group() {
    let trap = Trap::set("timeout = \"1s\"").await;
    let id = trap.begin("hang").await;
    let child = trap.pid_in("child").await;
    let leader = trap.pid_in("leader").await;
    let job = trap.until("its time is up", |job| job.runs.first().is_some_and(|r| r.id == id)).await;
    assert_eq!(job.runs[0].outcome, Outcome::TimedOut);
    assert!(!alive(leader) && !alive(child), "something of it still runs");

    let trap = Trap::set("").await;
    let id = trap.begin("hang").await;
    trap.pid_in("child").await;
    kill9(trap.pid_in("leader").await);
    let job = trap.until("it was killed", |job| job.runs.first().is_some_and(|r| r.id == id)).await;
    assert_eq!(job.runs[0].outcome, Outcome::Killed);
    assert!(!trap.0.path("data/.sync_completed").exists());
    assert_ne!(job.status, Status::Pass);
}

#[tokio::test]
async fn the_first_users_read_their_own_shape_and_the_honest_one_lies_beside_it() {
    let trap = Trap::set("cron = \"0 21 * * *\"\ntimezone = \"Europe/Berlin\"").await;
    let never = trap.get("/api/v1/admin/sync-status").await;
    assert_eq!(never.to_string(), r#"{"last_sync":null,"status":"unknown"}"#);
    assert_eq!(trap.get("/api/v1/admin/sync-status?job=nobody").await, never);

    trap.run("good").await;
    let fresh = trap.get("/api/v1/admin/sync-status?job=daily-sync").await;
    assert_eq!((&fresh["status"], &fresh["hours_ago"]), (&"ok".into(), &0.0.into()), "{fresh}");
    let last = fresh["last_sync"].as_str().unwrap();
    assert_eq!(last.len(), "2026-02-24T21:00:03.000120".len(), "{last}");
    assert_eq!(fresh.as_object().unwrap().len(), 3, "{fresh}");

    trap.run("exception").await;
    let failed = trap.get("/api/v1/admin/sync-status").await;
    assert_eq!((&failed["status"], &failed["last_sync"]), (&"failed".into(), &last.into()), "{failed}");
    let error = failed["error"].as_str().unwrap();
    assert!(error.starts_with("20") && error.contains(": ") && error.contains("not UTF-8"), "{error}");

    let honest = trap.get("/api/v1/jobs/daily-sync").await;
    assert_eq!(honest["status"], "warn");
    assert_eq!(honest["runs"][0]["exit"]["value"], 1);
    assert_eq!(honest["runs"][1]["milestones"][0]["event"], "extraction_complete");
    assert_eq!(honest["markers"]["failed"]["state"], "at");
    let next = honest["next"].as_str().unwrap();
    assert!(next.ends_with("T19:00:00Z") || next.ends_with("T20:00:00Z"), "21:00 in Berlin is not {next}");
    let missing = trap.0.client().request("GET", "/api/v1/jobs/nobody", None).await;
    assert!(missing.unwrap_err().to_string().contains("configured: daily-sync"));
}

/// A run by hand, outside Steady: only its log and its marker tell.
#[tokio::test]
async fn a_subcommand_that_was_run_elsewhere_is_seen_through_by_its_log() {
    let stack = Stack::with(
        "[job.daily-sync]\nmarkers = \"data\"\nwhole = \"all\"\noutput = \"data/sync.log\"\nstale_after = \"1h\"\n",
    );
    fs::create_dir(stack.path("data")).unwrap();
    fs::write(stack.path("sync.sh"), JOB).unwrap();
    fs::write(stack.path("data/sync.log"), "").unwrap();
    stack.up();
    let trap = Trap(stack);
    trap.until("it was looked at", |job| job.phrase == "never synced").await;
    let run = |mode: &str| {
        fs::write(trap.0.path("mode"), mode).unwrap();
        let log = fs::File::options().append(true).open(trap.0.path("data/sync.log")).unwrap();
        let mut sh = std::process::Command::new("sh");
        let done = sh.arg("sync.sh").current_dir(trap.0.path("")).stderr(log).status().unwrap();
        assert!(done.success());
    };
    run("good");
    let whole = trap.until("the whole run", |job| !job.runs.is_empty() && job.status == Status::Pass).await;
    run("models-down");
    let partial =
        trap.until("the partial run", |job| job.runs.len() == 2 && job.status == Status::Warn).await;
    assert!(partial.phrase.contains("failed 1"), "{}", partial.phrase);
    run("tasks");
    // The script's marker is empty for a moment, which nothing can be read from.
    let part = trap.until("the part", |job| job.runs.len() == 3 && job.last_success.is_some()).await;
    assert_eq!(part.runs[0].part.as_deref(), Some("tasks"));
    assert_eq!(part.status, Status::Warn, "{}", part.phrase);
    assert_eq!(part.last_success, Some(whole.runs[0].ended), "a part made the whole fresh");
}
