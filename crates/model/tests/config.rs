//! What a person reads when `steady.toml` is wrong, and what a short file resolves to.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
use std::path::Path;
use std::time::Duration;

use steady_model::config::{self, CheckKind, ConfigError, Free, Readiness, Roots};

fn parse(text: &str) -> Result<config::Config, ConfigError> {
    let roots = Roots { base: Path::new("/home/ada/notes"), user_home: Some(Path::new("/home/ada")) };
    config::parse(text, Path::new("steady.toml"), roots)
}

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const SHORT: &str = r#"
version = 1

[service.brain]
command = ["./bin/brain", "serve"]
cwd = "~/brain"
port = 8741
ready = { http = "http://127.0.0.1:8741/health" }

[check.disk]
kind = "disk"
path = "data"
warn_below = "2 GB"

[job.daily-sync]
command = ["brain", "sync"]
markers = "data"
every = "6h"

[backup]
source = "data"
"#;

#[test]
fn a_short_file_resolves_to_absolute_paths_and_explicit_defaults() {
    let config = parse(SHORT).unwrap();
    let brain = &config.services[0];
    assert_eq!(brain.command, ["/home/ada/notes/bin/brain", "serve"]);
    assert_eq!(brain.cwd, Path::new("/home/ada/brain"));
    assert_eq!(brain.stop_grace, Duration::from_secs(10));
    assert_eq!(brain.ready, Readiness::Http { url: "http://127.0.0.1:8741/health".into() });
    let disk = CheckKind::Disk {
        path: "/home/ada/notes/data".into(),
        warn: Free::Bytes(2_000_000_000),
        fail: Free::Bytes(1_000_000_000),
    };
    assert_eq!(config.checks[0].kind, disk);
    let job = &config.jobs[0];
    assert_eq!(job.stale_after, None, "its schedule says when it is late");
    assert_eq!(job.late_after, Duration::from_secs(30 * 60));
    assert_eq!(job.lock, Path::new("/home/ada/notes/data/.sync_lock"));
    assert_eq!(config.backup.unwrap().services, ["brain"]);
    let required: Vec<_> = config.required_paths.iter().map(|r| (r.key.as_str(), r.at.line)).collect();
    assert_eq!(required, [("service.brain.command", 5), ("service.brain.cwd", 6)]);
}

#[test]
fn mistakes_are_told_with_file_line_range_and_the_nearest_name() {
    let with = |line: &str| format!("version = 1\n[service.brain]\ncommand = [\"brain\"]\n{line}\n");
    let cases = [
        with("prot = 8741"),
        with("port = \"8741\""),
        with("port = 70000"),
        with("stop_grace = \"soon\""),
        with("restart = \"allways\""),
        with("ready = { http = \"ftp://x\" }"),
        with("[check.c]\nkind = \"http\"\nurl = \"http://x\"\nservice = \"brian\""),
        with("[check.c]\nkind = \"disk\"\npath = \"data\"\nurl = \"http://x\""),
        with("[check.c]\nkind = \"path\""),
        with("[servce.x]\ncommand = []"),
        with("[service.\"../x\"]\ncommand = [\"x\"]"),
        "version = 2\n".into(),
        "version = 1\n[agent]\nlisten = \"0.0.0.0:7457\"\n".into(),
        "version = 1\n[service.brain\n".into(),
        "[service.brain]\ncommand = [\"x\"]\n".into(),
        "version = 1\n[service.db]\nmanager = \"launchd\"\nunit = \"org.db\"\nready = { log = \"up\" }\n"
            .into(),
    ];
    let said: Vec<String> = cases.iter().map(|c| complaint(c)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_check_that_would_pass_or_fail_whatever_happens_is_refused_with_its_line() {
    let cases = [
        "kind = \"process\"\nprocess = \"\"",
        "kind = \"process\"\nprocess = \"  \"",
        "kind = \"port\"\nport = 80\nprocess = \"\"",
        "kind = \"path\"\npath = \"\"",
        "kind = \"sqlite\"\npath = \" \"",
        "kind = \"marker\"\nmax_age = \"1h\"\npath = \"\"",
        "kind = \"log\"\npath = \"x\"\npattern = \"\"",
        "kind = \"command\"\ncommand = [\"\", \"x\"]",
        "kind = \"http\"\nurl = \"http://x\"\nstatus = []",
        "kind = \"http\"\nurl = \"http://x\"\nstatus = [20]",
        "kind = \"count\"\npath = \"x\"\nquery = \"\"",
        "kind = \"count\"\npath = \"\"\nquery = \"q\"",
        "kind = \"equality\"\nleft = { path = \"x\", query = \"\" }\nright = { path = \"x\", query = \"q\" }",
        "kind = \"disk\"\npath = \"x\"\nwarn_below = \"1 GB\"\nfail_below = \"2 GB\"",
        "kind = \"disk\"\npath = \"x\"\nwarn_below = \"5 %\"\nfail_below = \"10 %\"",
        "kind = \"outbox\"\nurl = \"postgres://a@b/c\"\ntable = \"\"",
        "kind = \"ollama\"\nembed = true",
        "kind = \"docker\"\nservices = [\"db\"]",
        "kind = \"usage\"\nservice = \"brain\"",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|c| complaint(&format!("version = 1\n[service.brain]\ncommand = [\"x\"]\n[check.c]\n{c}\n")))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    // A smaller volume than the default warns at: the default is no mistake of the user's.
    parse("version = 1\n[check.c]\nkind = \"disk\"\npath = \"x\"\nfail_below = \"8 GB\"\n").unwrap();
}

#[test]
fn the_editor_schema_knows_every_key() {
    let schema = serde_json::to_value(config::json_schema()).unwrap();
    assert!(schema["$defs"]["Service"]["properties"]["stop_grace"].is_object());
    assert_eq!(schema["additionalProperties"], false);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_line_inside_it(text in "[a-z\\[\\]=\".\n 0-9]{0,200}") {
        if let Err(e) = parse(&text) {
            proptest::prop_assert!(e.line >= 1 && e.line <= text.matches('\n').count() + 1);
        }
    }
}

#[test]
fn how_a_backup_is_taken_is_read_and_a_password_in_the_url_is_refused() {
    use config::{Capture, FileClass};
    let with = |more: &str| parse(&format!("{SHORT}{more}")).map(|c| c.backup.unwrap().capture);
    assert_eq!(with("").unwrap(), Capture::default());
    assert_eq!(Capture::default().wait_for_jobs, Duration::from_secs(600));
    let told = with(
        r#"
wait_for_jobs = "30s"
quiesce = true
classes = { "feed.txt" = "log", "index" = "chroma" }
[backup.postgres.pkg]
url = "postgres://ada@127.0.0.1:5432/pkg"
password = "keychain:pkg"
program = ["docker", "exec", "-i", "pkg-db", "pg_dump"]
"#,
    )
    .unwrap();
    assert_eq!((told.wait_for_jobs, told.quiesce), (Duration::from_secs(30), true));
    assert_eq!(told.classes["feed.txt"], FileClass::Log);
    assert_eq!(told.postgres["pkg"].program[4], "pg_dump");
    let complain = |more: &str| with(more).unwrap_err().to_string();
    let secret = complain("[backup.postgres.pkg]\nurl = \"postgres://ada:pw@127.0.0.1/pkg\"\n");
    assert!(secret.contains("backup.postgres.pkg.password") && !secret.contains("pw@"), "{secret}");
    let program = complain("[backup.postgres.pkg]\nurl = \"postgres://a@b/c\"\nprogram = [\"pg_dumpall\"]\n");
    assert!(program.contains("must end in pg_dump"), "{program}");
    let class = complain("classes = { \"x\" = \"logs\" }\n");
    assert!(class.contains("did you mean `log`"), "{class}");
}
