//! What a process is started with, from real files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use steady_launch::{EnvError, Environment, environment};
use steady_model::config::{Env, SecretRef};
use tempfile::TempDir;

fn written(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn value<'a>(whole: &'a Environment, name: &str) -> Option<&'a str> {
    whole.get(name).map(|v| v.to_str().unwrap())
}

fn with_secret(path: &Path) -> Env {
    let secrets = BTreeMap::from([("TOKEN".to_owned(), SecretRef::File(path.to_owned()))]);
    Env { secrets, ..Env::default() }
}

fn refused(env: &Env) -> EnvError {
    environment(env, []).unwrap_err()
}

#[test]
fn the_later_wins_files_then_variables_then_secrets_then_marks() {
    let dir = TempDir::new().unwrap();
    let (a, b, s) = (dir.path().join("a.env"), dir.path().join("b.env"), dir.path().join("secret"));
    written(&a, "ONE=a\nTWO=a\nTHREE=a\nFOUR=a\nFIVE=a\nPATH=/a\n", 0o644);
    written(&b, "TWO=b\nTHREE=b\nFOUR=b\nFIVE=b\n", 0o644);
    written(&s, "s\n", 0o600);
    let vars = ["THREE", "FOUR", "FIVE"].map(|n| (n.to_owned(), "v".to_owned())).into();
    let secrets = ["FOUR", "FIVE"].map(|n| (n.to_owned(), SecretRef::File(s.clone()))).into();
    let whole =
        environment(&Env { vars, files: vec![a, b], secrets }, [("FIVE".into(), "mark".into())]).unwrap();
    let names = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "PATH"];
    let expected = ["a", "b", "v", "s", "mark", "/a"];
    assert_eq!(names.map(|n| value(&whole, n).unwrap()), expected);
    assert_eq!(value(&whole, "CARGO_MANIFEST_DIR"), None, "the test runner's own variable got through");
    assert!(whole.get("HOME").is_some());
}

#[test]
fn a_secret_is_taken_from_a_file_that_another_program_reads_too() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(".env");
    let place = |variable: &str| SecretRef::EnvFile { path: file.clone(), variable: variable.to_owned() };
    let env = |variable| Env { secrets: [("PW".to_owned(), place(variable))].into(), ..Env::default() };
    written(&file, "USER=ada\nPASSWORD=old\nPASSWORD='new one'\nEMPTY=\n", 0o644);
    assert_eq!(value(&environment(&env("PASSWORD"), []).unwrap(), "PW"), Some("new one"));
    let told = refused(&env("PASSWROD")).to_string();
    assert!(told.contains("has no variable PASSWROD") && !told.contains("new one"), "{told}");
    assert!(matches!(refused(&env("EMPTY")), EnvError::SecretEmpty { .. }));
}

#[test]
fn a_changed_file_counts_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(".env");
    let env = Env { files: vec![file.clone()], ..Env::default() };
    for typed in ["1", "2"] {
        written(&file, &format!("A={typed}"), 0o644);
        assert_eq!(value(&environment(&env, []).unwrap(), "A"), Some(typed));
    }
}

#[test]
fn an_error_names_the_line_and_never_what_stands_there() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(".env");
    written(&file, "A=1\nsk-very-secret\n", 0o644);
    let env = Env { files: vec![file.clone()], ..Env::default() };
    let said = refused(&env).to_string();
    assert!(said.contains(&format!("{}:2: a line must be NAME=value", file.display())), "{said}");
    assert!(!said.contains("sk-"), "{said}");
    fs::remove_file(&file).unwrap();
    assert!(matches!(refused(&env), EnvError::File { .. }));
}

#[test]
fn a_secret_that_others_can_read_is_refused_with_the_remedy() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().canonicalize().unwrap().join("token");
    let link = dir.path().join("link");
    symlink(&file, &link).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602] {
        written(&file, "hunter22", mode);
        for path in [&file, &link] {
            let said = refused(&with_secret(path)).to_string();
            assert!(said.ends_with(&format!("run: chmod 600 {}", file.display())), "{said}");
            assert!(said.contains(&format!("{mode:03o}")), "{said}");
            assert!(!said.contains("hunter22"), "{said}");
        }
    }
    written(&file, "hunter22\n", 0o400);
    assert_eq!(value(&environment(&with_secret(&link), []).unwrap(), "TOKEN"), Some("hunter22"));
}

#[test]
fn a_secret_that_is_none_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("token");
    assert!(matches!(refused(&with_secret(&file)), EnvError::SecretFile { .. }));
    written(&file, "\n", 0o600);
    assert!(matches!(refused(&with_secret(&file)), EnvError::SecretEmpty { .. }));
    written(&file, "a\0b", 0o600);
    assert!(matches!(refused(&with_secret(&file)), EnvError::SecretZero { .. }));
    assert!(matches!(refused(&with_secret(dir.path())), EnvError::NotAFile { .. }));
}

/// Opening a FIFO waits for a writer, who may never come.
#[test]
fn a_pipe_in_place_of_a_file_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status().unwrap().success());
    assert!(matches!(refused(&with_secret(&fifo)), EnvError::NotAFile { .. }));
    let env = Env { files: vec![fifo], ..Env::default() };
    assert!(matches!(refused(&env), EnvError::NotAFile { .. }));
}
