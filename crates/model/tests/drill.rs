//! What a drill's backend is made of, and what a drill's result and age mean.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use steady_model::check::Status;
use steady_model::config::{self, Config, ConfigError, DrillBackend, Readiness, Roots};
use steady_model::drill::{DrillOutcome, DrillRecord, DrillWork, due, judge};
use steady_model::service::RestartPolicy;
use steady_model::time::WallTime;

const HOUR: Duration = Duration::from_secs(3600);

fn parse(text: &str) -> Result<Config, ConfigError> {
    let roots = Roots { base: Path::new("/brain"), user_home: None };
    config::parse(&format!("version = 1\n{text}"), Path::new("steady.toml"), roots)
}

fn backend(text: &str) -> DrillBackend {
    parse(text).unwrap().backup.unwrap().drill.backend.unwrap()
}

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const SERVICE: &str = r#"
[service.brain]
command = ["brain", "serve", "--vault", "vault", "--data=data", "--index", "/brain/data/index", "--port", "8741"]
port = 8741
stop_grace = "3s"
env = { BRAIN_URL = "http://127.0.0.1:8741/api", OTHER = "http://127.0.0.1:87411/x", CACHE = "./data/../data2" }
[backup]
source = "data"
[backup.drill]
service = "brain"
"#;

#[test]
fn a_service_is_started_on_the_scratch_data_at_another_port_and_on_nothing_of_its_own() {
    let service = backend(SERVICE).service(".drill", Path::new("/scratch/d"), 4001);
    assert_eq!(
        service.command,
        [
            "brain",
            "serve",
            "--vault",
            "vault",
            "--data=/scratch/d",
            "--index",
            "/scratch/d/index",
            "--port",
            "4001"
        ]
    );
    assert_eq!(service.env.vars["BRAIN_URL"], "http://127.0.0.1:4001/api");
    assert_eq!(service.env.vars["OTHER"], "http://127.0.0.1:87411/x", "another port that only begins so");
    assert_eq!((service.port, service.restart), (Some(4001), RestartPolicy::Never));
    assert_eq!(service.ready, Readiness::Http { url: "http://127.0.0.1:4001/health".into() });
    assert_eq!(service.stop_grace, Duration::from_secs(3));
}

#[test]
fn a_command_of_its_own_takes_placeholders_also_for_where_it_runs() {
    let own = backend(
        r#"
[backup]
source = "data"
[backup.drill]
command = ["uvicorn", "app:app", "--port", "{port}"]
cwd = "{data}/.."
env = { DATA_DIR = "{data}" }
health = "/api/v1/health"
canary = { path = "/api/v1/notes?limit=1", body = { "notes.0.title" = "*" } }
"#,
    );
    let service = own.service(".drill", Path::new("/scratch/d"), 4001);
    assert_eq!(service.command[3], "4001");
    assert_eq!(
        (service.env.vars["DATA_DIR"].as_str(), service.cwd.as_path()),
        ("/scratch/d", Path::new("/scratch/d/.."))
    );
    assert_eq!(
        own.url(&own.canary.as_ref().unwrap().path, 4001),
        "http://127.0.0.1:4001/api/v1/notes?limit=1"
    );
}

#[test]
fn a_drill_that_would_run_on_the_live_data_or_port_is_refused_with_its_line() {
    let backup = "[backup]\nsource = \"data\"\n[backup.drill]\n";
    let service = |words: &str, port: &str| {
        format!("[service.brain]\ncommand = {words}\n{port}\n{backup}service = \"brain\"\n")
    };
    let cases = [
        service(r#"["brain", "--port", "8741"]"#, "port = 8741"),
        service(r#"["brain", "--data", "data"]"#, "port = 8741"),
        service(r#"["brain", "--data", "data"]"#, ""),
        format!("{backup}service = \"brian\"\n"),
        format!("{backup}command = [\"brain\", \"--data\", \"data\", \"--port\", \"{{port}}\"]\n"),
        format!("{backup}command = [\"brain\", \"--data\", \"{{data}}\"]\n"),
        format!("{SERVICE}command = [\"x\"]\n"),
        format!("{backup}canary = {{ path = \"/x\" }}\n"),
        format!("{SERVICE}health = \"http://127.0.0.1/health\"\n"),
        format!("{SERVICE}every = \"daily\"\n"),
        format!("{SERVICE}evry = \"1d\"\n"),
    ];
    let said: Vec<String> = cases.iter().map(|case| complaint(case)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

fn at(hours: u64) -> WallTime {
    WallTime("2026-11-23T03:00:00Z".parse().unwrap()).after(HOUR * u32::try_from(hours).unwrap())
}

#[test]
fn a_dump_is_tried_out_where_it_says_and_nowhere_without_a_word() {
    let head = "[backup]\nsource = \"data\"\n[backup.postgres.pkg]\nurl = \"postgres://ada@db/pkg\"\n";
    let of = |keys: &str| {
        parse(&format!("{head}{keys}"))
            .map(|c| c.backup.unwrap().capture.postgres.remove("pkg").unwrap().drill.map(|server| server.url))
    };
    assert_eq!(of("").unwrap(), None, "a drill made a database that nobody asked for");
    assert_eq!(of("drill = true\n").unwrap().as_deref(), Some("postgres://ada@db/pkg"));
    let other = "drill_url = \"postgres://ada@scratch/postgres\"\n";
    assert_eq!(of(other).unwrap().as_deref(), Some("postgres://ada@scratch/postgres"));
    assert_eq!(of(&format!("{other}drill = false\n")).unwrap(), None);
    let alone = of("drill_password = \"keychain:pkg\"\n").unwrap_err().to_string();
    assert!(alone.contains("backup.postgres.pkg.drill_url") && alone.contains("steady.toml:6"), "{alone}");
    let typed = of("drill_url = \"postgres://ada:hidden@db/x\"\n").unwrap_err().to_string();
    assert!(typed.contains("backup.postgres.pkg.drill_password") && !typed.contains("hidden"), "{typed}");
}

fn record(began: WallTime, outcome: DrillOutcome) -> DrillRecord {
    DrillRecord {
        id: "1".into(),
        point: "4bf1c0".into(),
        point_taken: began,
        began,
        took_ms: 4000,
        files: 3,
        bytes: 98_304,
        steps: Vec::new(),
        outcome,
    }
}

#[test]
fn a_failed_drill_is_amber_with_its_cause_until_another_passed() {
    let why = "brain.notes: 0 instead of *".to_owned();
    let failed = record(at(0), DrillOutcome::Failed { at: DrillWork::Canary, why });
    let (status, _, trouble) = judge(Some(&failed), None, Some(at(0)), at(1));
    let trouble = trouble.unwrap();
    assert_eq!(status, Status::Warn);
    assert_eq!(
        trouble.sentence,
        "the last drill failed asking the canary question: brain.notes: 0 instead of *"
    );
    assert!(trouble.action.contains("steady drill"), "{}", trouble.action);
    let passed = record(at(1), DrillOutcome::Passed);
    assert_eq!(
        judge(Some(&passed), None, Some(at(0)), at(3)),
        (Status::Pass, "drilled 2 h ago".into(), None)
    );
}

#[test]
fn a_missed_drill_ages_to_amber_after_twice_its_time_and_one_that_nobody_asked_for_never() {
    let passed = record(at(0), DrillOutcome::Passed);
    let day = Some(24 * HOUR);
    assert_eq!(judge(Some(&passed), day, Some(at(0)), at(48)).0, Status::Pass);
    let (status, phrase, _) = judge(Some(&passed), day, Some(at(0)), at(49));
    assert_eq!((status, phrase.as_str()), (Status::Warn, "last drill 2 d ago, which is too long"));
    assert_eq!(judge(Some(&passed), None, Some(at(0)), at(10_000)).0, Status::Pass);
    // Never drilled: counted from when there was something to drill.
    assert_eq!(judge(None, day, Some(at(0)), at(48)).0, Status::Pass);
    assert_eq!(judge(None, day, Some(at(0)), at(49)).0, Status::Warn);
    assert_eq!(judge(None, day, None, at(1000)).0, Status::Pass);
    // The clock was set back: the age is not known, and nothing is claimed of it.
    assert_eq!(judge(Some(&record(at(9), DrillOutcome::Passed)), day, Some(at(0)), at(1)).0, Status::Pass);
}

#[test]
fn a_drill_is_due_at_once_when_there_is_a_point_and_then_after_each_interval() {
    let day = Some(24 * HOUR);
    assert_eq!(due(None, day, false, at(5)), None);
    assert_eq!(due(None, day, true, at(5)), Some(at(5)));
    let failed = record(at(0), DrillOutcome::Failed { at: DrillWork::Started, why: "x".into() });
    assert_eq!(due(Some(&failed), day, true, at(5)), Some(at(24)));
    assert_eq!(due(Some(&failed), None, true, at(5)), None);
}
