//! Supervisors that read a configuration. Each runs with its own defaults, but where a line below says why.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::Stand;

pub fn steady(stand: &Stand, program: &Path) -> anyhow::Result<Command> {
    let home = stand.dir.join("home");
    fs::create_dir(&home)?;
    let mut text = "version = 1\n[agent]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    for (name, dir) in stand.named() {
        writeln!(
            text,
            "[service.{name}]\ncommand = ['{}']\ncwd = '{}'",
            stand.probe.display(),
            dir.display()
        )?;
    }
    fs::write(home.join("steady.toml"), text)?;
    let mut command = Command::new(program);
    command.arg("agent").arg("--home").arg(home);
    Ok(command)
}

pub fn supervisord(stand: &Stand) -> anyhow::Result<Command> {
    let dir = stand.dir.display();
    // Descriptors for a thousand services; no logs, since runit and s6 write none here either.
    let mut text = format!(
        "[supervisord]\nnodaemon=true\nlogfile={dir}/supervisord.log\npidfile={dir}/supervisord.pid\n\
         childlogdir={dir}\nminfds=8192\n"
    );
    for (name, dir) in stand.named() {
        let (probe, dir) = (stand.probe.display(), dir.display());
        write!(
            text,
            "[program:{name}]\ncommand={probe}\ndirectory={dir}\nautorestart=true\nstdout_logfile=NONE\n\
             stderr_logfile=NONE\n"
        )?;
    }
    let file = stand.dir.join("supervisord.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("/usr/bin/supervisord");
    command.arg("-c").arg(file);
    Ok(command)
}

pub fn pm2(stand: &Stand, program: &Path) -> anyhow::Result<Command> {
    let apps: Vec<_> = stand
        .named()
        .map(|(name, dir)| {
            serde_json::json!({
                "name": name, "script": stand.probe, "cwd": dir, "interpreter": "none", "exec_mode": "fork",
                "out_file": "/dev/null", "error_file": "/dev/null",
            })
        })
        .collect();
    let file = stand.dir.join("pm2.json");
    fs::write(&file, serde_json::to_vec(&serde_json::json!({ "apps": apps }))?)?;
    let mut command = Command::new(program);
    command.arg("start").arg(file).env("PM2_HOME", stand.dir.join("pm2"));
    Ok(command)
}

pub fn circus(stand: &Stand, program: &Path) -> anyhow::Result<Command> {
    let dir = stand.dir.display();
    // Sockets of its own, so that nothing else on the machine answers at its default ports. It looks for its
    // processes at intervals, of five seconds by default; a tenth of it is kinder.
    let mut text = format!(
        "[circus]\nendpoint = ipc://{dir}/endpoint\npubsub_endpoint = ipc://{dir}/pubsub\nstatsd = false\n\
         check_delay = 0.5\n"
    );
    for (name, dir) in stand.named() {
        write!(text, "[watcher:{name}]\ncmd = {}\nworking_dir = {}\n", stand.probe.display(), dir.display())?;
    }
    let file = stand.dir.join("circus.ini");
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.arg(file);
    Ok(command)
}

pub fn monit(stand: &Stand) -> anyhow::Result<Command> {
    let dir = stand.dir.display();
    // It looks for its processes at intervals; one second is the shortest.
    let mut text = format!(
        "set daemon 1\nset log {dir}/monit.log\nset pidfile {dir}/monit.pid\nset statefile {dir}/monit.state\n\
         set idfile {dir}/monit.id\n"
    );
    for (name, dir) in stand.named() {
        let (probe, dir) = (stand.probe.display(), dir.display());
        write!(
            text,
            "check process {name} with pidfile {dir}/pid\n  start program = \"{probe} {dir} background\"\n"
        )?;
    }
    let file = stand.dir.join("monitrc");
    fs::write(&file, text)?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let mut command = Command::new("monit");
    command.args(["-I", "-c"]).arg(file);
    Ok(command)
}
