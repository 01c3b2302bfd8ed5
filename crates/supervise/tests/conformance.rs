//! One suite that every manager passes: each promise of the `Manager` trait, on real processes.
//!
//! `child` is Steady itself. `launchd` runs against a stand-in with the real tool's words. `systemd` runs against the
//! real one where a user manager answers, which `scripts/systemd-container` sees to.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "tests wait in real time")]

mod common;
#[path = "conformance/kit.rs"]
mod kit;
#[path = "conformance/launchd.rs"]
mod launchd;
#[path = "conformance/systemd.rs"]
mod systemd;

use common::{is_alive, kill, wait_until};
use kit::{Kind, Kit, stays, wait_until_gone};
use steady_model::process::Exit;

fn a_started_service_is_found_as_the_same_process(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    let manager = kit.manager();
    assert_eq!(manager.find().unwrap(), None);
    let id = manager.start().unwrap();
    assert_eq!(kit.wait_until_it_answers(), id.pid, "the process that is told is the server itself");
    assert_eq!(manager.find().unwrap(), Some(id));
    assert_eq!(manager.warning(), None);
}

fn two_starts_make_one_copy(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    let manager = kit.manager();
    let first = manager.start().unwrap();
    let answered = kit.wait_until_it_answers();
    assert_eq!(manager.start().unwrap(), first);
    stays("one copy", || kit.copies() == [answered]);
}

fn killed_by_somebody_it_is_gone_and_starts_again_as_one_copy(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    let manager = kit.manager();
    let first = manager.start().unwrap();
    kit.wait_until_it_answers();
    kill(first.pid);
    wait_until("the manager has seen it", || manager.find().unwrap() != Some(first.clone()));
    let second = manager.start().unwrap();
    assert_ne!(first, second);
    assert_eq!(kit.wait_until_it_answers(), second.pid);
    stays("one copy", || kit.copies() == [second.pid]);
    assert_eq!(manager.find().unwrap(), Some(second));
}

fn terminated_it_stays_down(kind: Kind) {
    let Some(kit) = Kit::new(kind, "exec \"$0\" serve \"$1\"", "restart = \"always\"") else { return };
    let manager = kit.manager();
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.terminate(&id).unwrap();
    wait_until_gone(&id);
    stays("down", || manager.find().unwrap().is_none() && kit.copies().is_empty());
    // And a start right after it works.
    let again = manager.start().unwrap();
    assert_eq!(kit.wait_until_it_answers(), again.pid);
    manager.terminate(&again).unwrap();
    manager.terminate(&again).unwrap();
    kit.wait_until_nothing_is_left();
}

fn a_wrapper_that_is_terminated_leaves_nothing_behind(kind: Kind) {
    let Some(kit) = Kit::new(kind, "\"$0\" serve \"$1\" & wait", "") else { return };
    let manager = kit.manager();
    let id = manager.start().unwrap();
    assert_ne!(kit.wait_until_it_answers(), id.pid, "the wrapper is the process, its child holds the port");
    manager.terminate(&id).unwrap();
    kit.wait_until_nothing_is_left();
}

fn a_wrapper_that_is_killed_leaves_nothing_behind(kind: Kind) {
    let Some(kit) = Kit::new(kind, "\"$0\" serve \"$1\" & wait", "restart = \"never\"") else { return };
    let manager = kit.manager();
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.kill(&id).unwrap();
    kit.wait_until_nothing_is_left();
}

fn a_server_that_ignores_the_stop_signal_is_gone_after_the_kill(kind: Kind) {
    let script = "trap '' TERM; exec \"$0\" serve \"$1\"";
    let Some(kit) = Kit::new(kind, script, "stop_grace = \"100s\"") else { return };
    let manager = kit.manager();
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.terminate(&id).unwrap();
    stays("it ignores it", || is_alive(id.pid));
    assert_eq!(manager.find().unwrap(), Some(id.clone()), "what still runs is still found");
    manager.kill(&id).unwrap();
    kit.wait_until_nothing_is_left();
    stays("down", || manager.find().unwrap().is_none());
}

fn a_kill_of_an_earlier_run_does_not_meet_the_present_one(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    let manager = kit.manager();
    let first = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.terminate(&first).unwrap();
    kit.wait_until_nothing_is_left();
    let second = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.kill(&first).unwrap();
    stays("unharmed", || kit.copies() == [second.pid]);
}

fn its_output_reaches_its_log_in_order(kind: Kind) {
    let script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done; exec \"$0\" serve \"$1\"";
    let Some(kit) = Kit::new(kind, script, "") else { return };
    kit.manager().start().unwrap();
    kit.wait_until_it_answers();
    wait_until("the log", || kit.world.log().len() >= 6);
    assert_eq!(kit.world.log()[..6], ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]);
}

/// More than ten times what a FIFO holds, and no agent runs.
fn a_talkative_service_is_never_held_up_by_its_log(kind: Kind) {
    let script = "yes 'all work and no play makes a dull log' | head -n 20000; exec \"$0\" serve \"$1\"";
    let Some(kit) = Kit::new(kind, script, "") else { return };
    kit.manager().start().unwrap();
    kit.wait_until_it_answers();
    let whole = || kit.world.log().iter().filter(|line| line.starts_with("all work")).count() == 20_000;
    wait_until("the whole log", whole);
}

fn its_variables_and_secrets_are_looked_up_at_its_start(kind: Kind) {
    use std::os::unix::fs::PermissionsExt;

    let script = "echo \"$FROM_FILE $CONFIGURED $SECRET in $PWD\"; exec \"$0\" serve \"$1\"";
    let more =
        "env_file = [\"vars\"]\nenv = { CONFIGURED = \"two\" }\nsecrets = { SECRET = \"file:secret\" }";
    let Some(kit) = Kit::new(kind, script, more) else { return };
    let home = kit.world.home();
    std::fs::write(home.join("vars"), "FROM_FILE=one\n").unwrap();
    std::fs::write(home.join("secret"), "three\n").unwrap();
    std::fs::set_permissions(home.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    kit.manager().start().unwrap();
    kit.wait_until_it_answers();
    wait_until("the log", || !kit.world.log().is_empty());
    assert_eq!(kit.world.log()[0], format!("one two three in {}", home.display()));
}

fn another_manager_value_takes_it_over(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    let id = kit.manager().start().unwrap();
    kit.wait_until_it_answers();
    let later = kit.manager();
    assert_eq!(later.find().unwrap(), Some(id.clone()));
    assert_eq!(later.start().unwrap(), id);
    later.terminate(&id).unwrap();
    kit.wait_until_nothing_is_left();
}

fn how_it_ended_is_told(kind: Kind) {
    let Some(kit) = Kit::new(kind, "read line < gate; exit 7", "restart = \"never\"") else { return };
    let gate = kit.world.home().join("gate");
    make_gate(&gate);
    let manager = kit.manager();
    let id = manager.start().unwrap();
    assert_eq!(manager.last_exit(), None, "it has not ended");
    std::fs::write(&gate, "go\n").unwrap();
    wait_until("its end", || manager.find().unwrap().is_none());
    assert_eq!(manager.last_exit(), Some(Exit::Code(7)));
    wait_until_gone(&id);
}

fn what_cannot_run_is_an_error_that_says_why(kind: Kind) {
    let Some(mut kit) = Kit::new(kind, "exit 0", "") else { return };
    let text = std::fs::read_to_string(kit.world.home().join("steady.toml")).unwrap();
    let missing = text.replace("\"sh\"", "\"no-such-program\"");
    std::fs::write(kit.world.home().join("steady.toml"), missing).unwrap();
    "no-such-program".clone_into(&mut kit.spec.command[0]);
    let manager = kit.manager();
    match manager.start() {
        Err(e) => assert!(!e.to_string().is_empty()),
        // Between systemd's exec and the one that fails there is a moment in which it runs.
        Ok(id) => {
            assert_ne!(kind, Kind::Child);
            wait_until_gone(&id);
            wait_until("its end", || manager.last_exit() == Some(Exit::Code(1)));
        }
    }
}

fn a_definition_that_nobody_made_is_a_warning_and_no_start(kind: Kind) {
    let Some(kit) = Kit::server(kind) else { return };
    if kind == Kind::Child {
        return;
    }
    let kit = kit.with_unit("steady-test-nobody-made-this.service");
    let manager = kit.manager();
    let warning = manager.warning().expect("a warning");
    assert!(warning.contains("steady-test-nobody-made-this.service"), "{warning}");
    assert_eq!(manager.find().unwrap(), None);
    assert_eq!(manager.start().unwrap_err().to_string(), warning);
}

fn make_gate(path: &std::path::Path) {
    steady_logs::make_fifo(path).unwrap();
}

macro_rules! every_manager {
    ($($promise:ident),* $(,)?) => {
        every_manager!(@ child Child $($promise)*);
        every_manager!(@ launchd_stand_in Launchd $($promise)*);
        every_manager!(@ systemd_real Systemd $($promise)*);
    };
    (@ $name:ident $kind:ident $($promise:ident)*) => {
        mod $name {
            $(#[test] fn $promise() { super::$promise(super::Kind::$kind); })*
        }
    };
}

every_manager!(
    a_started_service_is_found_as_the_same_process,
    two_starts_make_one_copy,
    killed_by_somebody_it_is_gone_and_starts_again_as_one_copy,
    terminated_it_stays_down,
    a_wrapper_that_is_terminated_leaves_nothing_behind,
    a_wrapper_that_is_killed_leaves_nothing_behind,
    a_server_that_ignores_the_stop_signal_is_gone_after_the_kill,
    a_kill_of_an_earlier_run_does_not_meet_the_present_one,
    its_output_reaches_its_log_in_order,
    a_talkative_service_is_never_held_up_by_its_log,
    its_variables_and_secrets_are_looked_up_at_its_start,
    another_manager_value_takes_it_over,
    how_it_ended_is_told,
    what_cannot_run_is_an_error_that_says_why,
    a_definition_that_nobody_made_is_a_warning_and_no_start,
);
