//! Services start after what they need and stop before it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use steady_e2e::{LIMIT, Stack, alive, kill9};
use steady_model::check::Status;
use steady_model::snapshot::{ServiceStatus, ServiceView, Snapshot};

/// Notes its begin and its end in the file `order`.
fn noting(name: &str) -> String {
    let script = format!(
        "trap 'echo -{name} >> order; exit 0' TERM; echo +{name} >> order; while :; do sleep 0.05; done"
    );
    format!("command = [\"sh\", \"-c\", \"{script}\"]\n")
}

fn config() -> String {
    let (db, api, web) = (noting("db"), noting("api"), noting("web"));
    format!(
        "[service.db]\n{db}ready = {{ command = [\"test\", \"-e\", \"db.ready\"] }}\n\
         [service.migrate]\ncommand = [\"sh\", \"-c\", \"echo +migrate >> order\"]\noneshot = true\n\
         depends_on = [\"db\"]\n\
         [service.api]\n{api}depends_on = {{ db = \"ready\", migrate = \"completed\" }}\n\
         ready = {{ command = [\"grep\", \"-q\", \"+api\", \"order\"] }}\n\
         [service.web]\n{web}depends_on = [\"api\"]\n"
    )
}

fn view<'a>(s: &'a Snapshot, name: &str) -> &'a ServiceView {
    s.services.iter().find(|v| v.name == name).unwrap()
}

fn order(stack: &Stack) -> Vec<String> {
    fs::read_to_string(stack.path("order")).unwrap().lines().map(str::to_owned).collect()
}

/// The first `count` notes, once there are so many: a service that runs has not yet noted so.
async fn noted(stack: &Stack, count: usize) -> Vec<String> {
    let all = async {
        while order(stack).len() < count {
            tokio::task::yield_now().await;
        }
        order(stack)
    };
    tokio::time::timeout(LIMIT, all).await.unwrap_or_else(|_| panic!("only {:?}", order(stack)))
}

fn all_up(s: &Snapshot) -> bool {
    let ready = |name| view(s, name).state == ServiceStatus::Ready;
    ready("db") && ready("api") && ready("web") && view(s, "migrate").detail == "has done its work"
}

#[tokio::test]
async fn services_start_after_what_they_need_and_stop_before_it() {
    let stack = Stack::with(&config());
    stack.up();
    let waiting = stack
        .until("db starts, all others wait and say for what", |s| {
            view(s, "db").state == ServiceStatus::Starting
                && view(s, "migrate").detail == "waiting for db (it is starting)"
                && view(s, "api").detail == "waiting for db (it is starting) and migrate (it waits itself)"
                && view(s, "web").detail == "waiting for api (it waits itself)"
        })
        .await;
    assert_ne!(waiting.verdict.status, Status::Pass);
    fs::write(stack.path("db.ready"), "").unwrap();
    let up = stack.until("all are up", all_up).await;
    assert_eq!(up.verdict.status, Status::Pass, "a one-shot that did its work is no trouble");
    assert_eq!(noted(&stack, 4).await, ["+db", "+migrate", "+api", "+web"]);

    // What others need may fail without taking them along.
    let (db, api) = (view(&up, "db").pid.unwrap(), view(&up, "api").pid);
    kill9(db);
    let back =
        stack.until("db is back", |s| all_up(s) && view(s, "db").pid.is_some_and(|pid| pid != db)).await;
    assert_eq!(view(&back, "api").pid, api);

    assert_eq!(noted(&stack, 5).await[4], "+db");
    assert!(stack.steady(&["down"]).status.success());
    let ends: Vec<String> = order(&stack).split_off(5);
    assert_eq!(ends, ["-web", "-api", "-db"]);
}

#[tokio::test]
async fn a_start_begins_with_what_the_service_needs_and_a_stop_is_obeyed_while_it_waits() {
    let stack = Stack::with(&config());
    stack.up();
    stack.until("api waits", |s| view(s, "api").detail.starts_with("waiting for")).await;
    let client = stack.client();
    client.stop("api").await.unwrap();
    stack.until("api is stopped", |s| view(s, "api").detail == "stopped, as asked").await;
    fs::write(stack.path("db.ready"), "").unwrap();
    let ready = stack.until("db is ready", |s| view(s, "migrate").detail == "has done its work").await;
    assert_eq!(view(&ready, "api").detail, "stopped, as asked", "a wait that was stopped must not start");
    client.stop("db").await.unwrap();
    let down = stack.until("db is stopped", |s| view(s, "db").state == ServiceStatus::Stopped).await;
    assert_eq!(view(&down, "db").pid, None);
    client.start("web").await.unwrap();
    let up = stack.until("web and all that it needs are up", all_up).await;
    assert!(alive(view(&up, "web").pid.unwrap()));
}
