//! A wrong steady.toml: file, line, what is wrong, the nearest name; exit code 2; nothing started.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use steady_e2e::Stack;

fn refused(edit: impl Fn(String) -> String) -> String {
    let stack = Stack::prepare();
    let path = stack.path("steady.toml");
    let text = edit(std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, text).unwrap();
    let out = stack.up_output();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(!stack.path(".steady/agent.sock").exists(), "something was started");
    assert!(!stack.path(".steady/agent.log").exists(), "something was started");
    said
}

#[test]
fn each_mistake_is_told_with_its_line_and_starts_nothing() {
    let said = refused(|t| t.replace("\nport = ", "\nprot = "));
    assert!(said.contains("steady.toml:10: unknown field `prot`"), "{said}");
    assert!(said.contains("did you mean `port`?"), "{said}");
    let said = refused(|t| t.replace("[\"brain\", \"serve\"", "[\"./bin/brain\", \"serve\""));
    assert!(
        said.contains("steady.toml:9: service.brain.command is") && said.contains("does not exist"),
        "{said}"
    );
    let said = refused(|t| t.replace("\nport = ", "\nport = 9"));
    assert!(
        said.contains("steady.toml:10: service.brain.port = 9") && said.contains("out of range 1 to 65535"),
        "{said}"
    );
    let said = refused(|t| t.replace("interval = \"1s\"", "interval = 5"));
    assert!(said.contains("invalid type: integer `5`"), "{said}");
}

#[test]
fn a_missing_file_is_named_and_the_way_out_is_told() {
    let stack = Stack::prepare();
    std::fs::remove_file(stack.path("steady.toml")).unwrap();
    let missing = stack.path("steady.toml");
    let out = stack.steady(&["agent", "--config", missing.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains(missing.to_str().unwrap()) && said.contains("steady up --demo"), "{said}");
}
