//! What only systemd does, against the real one.

use std::fs;
use std::process::Command;

use steady_supervise::manager::{Manager, template};

use crate::common::{FIXTURE, kill, wait_until};
use crate::kit::{Kind, Kit, stays, wait_until_gone};

fn systemctl(args: &[&str]) -> bool {
    Command::new("systemctl").arg("--user").args(args).status().unwrap().success()
}

/// A unit of the user's own with this `[Service]`; gone with the value.
struct Own {
    name: String,
    file: std::path::PathBuf,
}

impl Own {
    fn new(kit: &Kit, service: &str) -> Self {
        Self::of(kit, &format!("[Service]\n{service}\n"))
    }

    fn of(kit: &Kit, text: &str) -> Self {
        let folder = std::path::PathBuf::from(std::env::var("HOME").unwrap()).join(".config/systemd/user");
        fs::create_dir_all(&folder).unwrap();
        let name = format!("steady-test-own-{}.service", kit.world.port);
        let file = folder.join(&name);
        fs::write(&file, text).unwrap();
        assert!(systemctl(&["daemon-reload"]));
        Self { name, file }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = systemctl(&["unmask", &self.name]);
        let _ = systemctl(&["stop", &self.name]);
        let _ = fs::remove_file(&self.file);
        let _ = systemctl(&["daemon-reload"]);
    }
}

#[test]
fn left_alone_a_unit_comes_back_by_itself_and_is_found_as_the_new_process() {
    let Some(kit) = Kit::server(Kind::Systemd) else { return };
    let manager = kit.systemd();
    let first = manager.start().unwrap();
    kit.wait_until_it_answers();
    kill(first.pid);
    wait_until("systemd starts it again", || manager.find().unwrap().is_some_and(|id| id != first));
    kit.wait_until_it_answers();
    assert_eq!(kit.copies().len(), 1);
}

#[test]
fn a_process_that_left_the_group_ends_with_the_control_group() {
    let Some(kit) = Kit::new(Kind::Systemd, "setsid \"$0\" serve \"$1\" & wait", "") else { return };
    let manager = kit.systemd();
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.terminate(&id).unwrap();
    kit.wait_until_nothing_is_left();
}

#[test]
fn a_start_right_behind_a_stop_is_a_new_process_and_never_the_one_that_is_ending() {
    let script = "trap 'sleep 1; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let Some(kit) = Kit::new(Kind::Systemd, script, "") else { return };
    let manager = kit.systemd();
    let first = manager.start().unwrap();
    wait_until("it is up", || !kit.world.log().is_empty());
    manager.terminate(&first).unwrap();
    let second = manager.start().unwrap();
    assert_ne!(first, second);
    wait_until_gone(&first);
}

#[test]
fn the_sink_outlives_the_service_that_started_it() {
    let Some(kit) = Kit::server(Kind::Systemd) else { return };
    let manager = kit.systemd();
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    let sink = kit.world.sink_pid();
    manager.terminate(&id).unwrap();
    kit.wait_until_nothing_is_left();
    assert!(crate::common::is_alive(sink), "the sink {sink} ended with the control group");
}

#[test]
fn a_unit_of_the_users_own_is_started_and_stopped_and_a_masked_one_is_told() {
    let Some(kit) = Kit::server(Kind::Systemd) else { return };
    let own = Own::new(&kit, "ExecStart=/bin/sleep 600\nRestart=always\nRestartSec=1");
    let name = own.name.clone();
    let kit = kit.with_unit(&name);
    let manager = kit.systemd();
    assert_eq!(manager.warning(), None);
    let id = manager.start().unwrap();
    assert_eq!(manager.find().unwrap(), Some(id.clone()));
    manager.terminate(&id).unwrap();
    wait_until_gone(&id);
    fs::remove_file(&own.file).unwrap();
    assert!(systemctl(&["mask", &name]));
    let warning = manager.warning().expect("masked");
    assert!(warning.contains(&format!("systemctl --user unmask {name}")), "{warning}");
    assert_eq!(manager.start().unwrap_err().to_string(), warning);
}

#[test]
fn a_unit_that_hit_its_start_limit_is_started_again_by_hand() {
    let Some(kit) = Kit::server(Kind::Systemd) else { return };
    let limits = "ExecStart=/bin/false\nRestart=always\nRestartSec=0";
    let own = Own::new(&kit, limits);
    let kit = kit.with_unit(&own.name);
    let manager = kit.systemd();
    let _ = manager.start();
    wait_until("systemd gives up", || {
        let out = Command::new("systemctl")
            .args(["--user", "show", "-P", "ActiveState", &own.name])
            .output()
            .unwrap();
        out.stdout == b"failed\n"
    });
    fs::write(&own.file, "[Service]\nExecStart=/bin/sleep 600\n").unwrap();
    let id = manager.start().unwrap();
    assert_eq!(manager.find().unwrap(), Some(id.clone()));
    manager.terminate(&id).unwrap();
    wait_until_gone(&id);
}

/// What the template of the agent's unit promises: `KillMode=process`.
#[test]
fn an_agent_that_is_killed_or_restarted_under_its_unit_leaves_its_services_running() {
    use std::os::unix::fs::PermissionsExt;

    let Some(kit) = Kit::server(Kind::Systemd) else { return };
    let (home, port) = (kit.world.home().display().to_string(), kit.world.port);
    let program = kit.world.home().join("steady agent");
    let script = format!("#!/bin/sh\nexec '{FIXTURE}' host '{home}' {port} -- '{FIXTURE}' serve {port}\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let values = [("STEADY", program.to_str().unwrap()), ("STEADY_HOME", &home), ("CONFIG", "/none")];
    let own = Own::of(&kit, &template::unit(template::AGENT_UNIT, &values));
    assert!(systemctl(&["start", &own.name]));
    let agent = |unlike: u32| {
        let mut pid = 0;
        wait_until("an agent", || {
            let show = ["--user", "show", "-P", "MainPID", &own.name];
            let out = Command::new("systemctl").args(show).output().unwrap();
            pid = String::from_utf8_lossy(&out.stdout).trim().parse().unwrap();
            pid != 0 && pid != unlike
        });
        pid
    };
    let first = agent(0);
    let service = kit.wait_until_it_answers();
    wait_until("it is written down", || kit.world.journalled_pid() == Some(service));
    kill(first);
    let second = agent(first);
    assert_eq!(kit.wait_until_it_answers(), service, "the service ran on");
    assert!(systemctl(&["restart", &own.name]));
    agent(second);
    stays("the same copy", || kit.copies() == [service]);
}

fn under_an_agent() -> Option<Kit> {
    let script = "exec \"$0\" serve \"$1\"";
    Kit::new(
        Kind::Systemd,
        script,
        "manager = \"systemd\"\nready = { http = \"http://127.0.0.1:PORT/health\" }",
    )
}

#[test]
fn an_agent_brings_a_unit_back_at_once_and_a_stop_of_its_holds_against_systemd() {
    let Some(kit) = under_an_agent() else { return };
    let mut agent = kit.agent();
    agent.wait_for("Starting");
    let first = kit.wait_until_it_answers();
    agent.wait_for("Ready");
    let killed = std::time::Instant::now();
    kill(first);
    wait_until("another copy", || kit.world.answer().is_some_and(|pid| pid != first));
    assert!(killed.elapsed().as_millis() < 1500, "sooner than systemd itself: {:?}", killed.elapsed());
    stays("one copy", || kit.copies().len() == 1);
    agent.order("restart");
    agent.wait_for("Stopping");
    agent.wait_for("Ready");
    assert_eq!(kit.copies().len(), 1);
    agent.order("stop");
    agent.wait_for("Stopped");
    kit.wait_until_nothing_is_left();
    stays("down", || kit.copies().is_empty());
}

#[test]
fn an_agent_that_is_killed_finds_its_unit_again_unharmed() {
    let Some(kit) = under_an_agent() else { return };
    let mut first = kit.agent();
    first.wait_for("Starting");
    let service = kit.wait_until_it_answers();
    first.kill();
    stays("it runs on", || kit.copies() == [service]);
    let mut second = kit.agent();
    second.wait_for("Starting");
    assert_eq!(kit.wait_until_it_answers(), service);
    second.order("stop");
    second.wait_for("Stopped");
    kit.wait_until_nothing_is_left();
}

#[test]
fn a_service_that_moves_from_systemd_to_steady_itself_runs_once() {
    let Some(kit) = under_an_agent() else { return };
    let mut first = kit.agent();
    first.wait_for("Starting");
    let unit = kit.wait_until_it_answers();
    first.kill();
    let file = kit.world.home().join("steady.toml");
    // Without a port nothing but the manager's own memory tells of the other copy.
    let text =
        fs::read_to_string(&file).unwrap().replace("manager = \"systemd\"", "").replace("\nport = ", "\n# ");
    fs::write(&file, text).unwrap();
    let mut second = kit.agent();
    second.wait_for("Starting");
    wait_until("the other copy", || kit.world.answer().is_some_and(|pid| pid != unit));
    assert_eq!(kit.copies().len(), 1);
    second.order("stop");
    second.wait_for("Stopped");
    kit.wait_until_nothing_is_left();
}
