//! Presets as somebody uses them: a name and a folder, and then what is different at their place.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use steady_model::config::{self, Check, CheckKind, Config, ConfigError, Origin, Roots, Setting};

fn roots() -> Roots<'static> {
    Roots { base: Path::new("/home/ada/stack"), user_home: Some(Path::new("/home/ada")) }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    config::parse(text, Path::new("steady.toml"), roots())
}

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn with(name: &str, more: &str) -> String {
    format!("version = 1\npreset = \"{name}\"\nroot = \"~/Here\"\n{more}\n")
}

fn check<'c>(config: &'c Config, name: &str) -> &'c Check {
    config.checks.iter().find(|c| c.name == name).unwrap()
}

#[test]
fn each_preset_is_a_whole_configuration_once_its_folder_is_named() {
    let presets = config::presets().unwrap();
    assert!(presets.iter().any(|p| p.name == "secondbrain") && presets.iter().any(|p| p.name == "peanut"));
    for preset in presets {
        let config = parse(&with(&preset.name, "")).unwrap();
        assert!(!config.checks.is_empty() && config.backup.is_some(), "{}", preset.name);
        let inside = config.required_paths.iter().all(|r| r.path.starts_with("/home/ada/Here"));
        assert!(inside, "{:?}", config.required_paths);
        assert!(!preset.about.is_empty() && preset.variables.iter().all(|v| !v.about.is_empty()));
        // Nobody can be asked for more than the folder.
        let asked: Vec<&str> =
            preset.variables.iter().filter(|v| v.default.is_none()).map(|v| v.name.as_str()).collect();
        assert_eq!(asked, ["root"], "{}", preset.name);
        assert!(!format!("{config:?}").contains("${"), "{} leaves a variable unfilled", preset.name);
    }
}

#[test]
fn the_backend_is_started_in_its_folder_and_believed_by_its_body() {
    let config = parse(&with("secondbrain", "")).unwrap();
    let api = config.services.iter().find(|s| s.name == "api").unwrap();
    assert_eq!(api.cwd, Path::new("/home/ada/Here"));
    assert_eq!(api.env.files, [Path::new("/home/ada/Here/.env")]);
    assert_eq!(api.command.last().unwrap(), "8000", "a port among arguments is text");
    assert_eq!(api.port, Some(8000));
    let CheckKind::Http { body, warn_body, .. } = &check(&config, "api").kind else {
        panic!("no http check")
    };
    let holds = |path: &str, value: Option<&str>| {
        body.iter().chain(warn_body).find(|(p, _)| *p == path).unwrap().1.holds(value)
    };
    assert!(holds("vault", Some("ok")) && !holds("vault", Some("not configured or missing")));
    assert!(holds("status", Some("warning")) && !holds("status", Some("error")));
    assert!(holds("sync", None) && !holds("sync", Some("stale")), "the key is only there when it is stale");
    let job = &config.jobs[0];
    assert_eq!(job.env.files, api.env.files, "the vault is named in one place");
}

#[test]
fn what_is_typed_goes_over_the_preset_key_by_key() {
    let more = "without = [\"service.ui\", \"check.api-through-ui\", \"job.daily-sync.every\"]\n\
                [vars]\napi_port = 8123\ndata = \"elsewhere\"\n\
                [check.api]\ntimeout = \"20s\"\n\
                [check.disk]\nkind = \"path\"\npath = \"/srv\"\n\
                [job.daily-sync]\ncron = \"0 * * * *\"\n\
                [check.own]\nkind = \"tcp\"\naddress = \"localhost:1\"";
    let config = parse(&with("secondbrain", more)).unwrap();
    assert_eq!(config.services.len(), 1);
    assert_eq!(config.services[0].port, Some(8123));
    assert_eq!(config.services[0].command.last().unwrap(), "8123");
    let api = check(&config, "api");
    assert_eq!(api.probe.timeout.as_secs(), 20);
    let CheckKind::Http { url, body, .. } = &api.kind else { panic!("no http check") };
    assert_eq!(url, "http://127.0.0.1:8123/health");
    assert!(!body.is_empty(), "the rest of the check stays");
    let CheckKind::Sqlite { path, .. } = &check(&config, "lexical").kind else { panic!("no sqlite check") };
    assert_eq!(path, Path::new("/home/ada/stack/elsewhere/lexical.db"), "a path starts at the user's file");
    assert!(
        matches!(check(&config, "disk").kind, CheckKind::Path { .. }),
        "another kind replaces the whole check"
    );
    assert!(matches!(check(&config, "own").kind, CheckKind::Tcp { .. }));
}

#[test]
fn each_value_says_where_it_was_typed() {
    let text = with("secondbrain", "[vars]\napi_port = 8123\n[check.api]\ntimeout = \"20s\"");
    let settings = config::settings(&text, Path::new("steady.toml"), roots()).unwrap();
    let find = |key: &str| -> &Setting { settings.iter().find(|s| s.key.join(".") == key).unwrap() };
    let told = |key: &str| (find(key).value.to_string(), find(key).origin, find(key).at.to_string());
    assert_eq!(told("check.api.timeout"), ("\"20s\"".into(), Origin::File, "steady.toml:7".into()));
    assert_eq!(told("service.api.port"), ("8123".into(), Origin::File, "steady.toml:5".into()));
    assert_eq!(told("service.api.cwd"), ("\"/home/ada/Here\"".into(), Origin::File, "steady.toml:3".into()));
    let interval = find("check.api.interval");
    assert_eq!((interval.value.as_str(), interval.origin), (Some("10s"), Origin::Preset));
    let preset = config::presets().unwrap().into_iter().find(|p| p.name == "secondbrain").unwrap();
    let line = preset.text.lines().nth(interval.at.line - 1).unwrap();
    assert_eq!(line, "interval = \"10s\"", "{} names another line", interval.at);
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let text = with("secondbrain", "[check.api]\nwarn_body = { \"a.b\" = \"x y\" }");
    let settings = config::settings(&text, Path::new("steady.toml"), roots()).unwrap();
    let mut shown = String::new();
    let mut section = String::new();
    for setting in &settings {
        if setting.section() != section {
            section = setting.section();
            writeln!(shown, "[{section}]").unwrap();
        }
        writeln!(shown, "{}", setting.line()).unwrap();
    }
    let again = config::parse(&shown, Path::new("steady.toml"), roots()).unwrap();
    let mut first = parse(&text).unwrap();
    first.required_paths.clone_from(&again.required_paths);
    assert_eq!(again, first, "{shown}");
}

#[test]
fn mistakes_with_a_preset_are_told_where_they_were_typed() {
    let cases = [
        "version = 1\npreset = \"secondbrian\"\nroot = \"x\"\n".to_owned(),
        "version = 1\npreset = \"secondbrain\"\n".to_owned(),
        "version = 1\nroot = \"x\"\n".to_owned(),
        "version = 1\n[vars]\nx = 1\n".to_owned(),
        "version = 1\npreset = 1\n".to_owned(),
        with("secondbrain", "vars = 1"),
        with("secondbrain", "[vars]\napi_prot = 8001"),
        with("secondbrain", "[vars]\nroot = \"there\""),
        with("secondbrain", "[vars]\napi_port = \"8001\""),
        with("secondbrain", "[vars]\napi_port = 99999"),
        with("secondbrain", "without = [\"service.iu\"]"),
        with("secondbrain", "without = [\"service.ui.prot\"]"),
        with("secondbrain", "[check.api]\nintervall = \"1s\""),
        with("secondbrain", "[service.api]\nport = 0"),
        with("secondbrain", "[service]\napi = 1"),
    ];
    let said: Vec<String> = cases.iter().map(|c| complaint(c)).collect();
    insta::assert_snapshot!(said.join("\n"));
    // What is left of the preset may need what was taken away: that is said as the preset's, with its line.
    let said = complaint(&with("secondbrain", "without = [\"service.api\"]"));
    assert!(said.starts_with("preset secondbrain:") && said.contains("names the service \"api\""), "{said}");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_typed_over_a_preset_panics(more in "(\\[[a-z.]{1,12}\\]\n|[a-z]{1,8} = (\"[^\"\n]{0,12}\"|[0-9]{1,6}|\\[\\])\n){0,6}") {
        let _ = parse(&with("secondbrain", &more));
        let _ = parse(&more);
    }
}
