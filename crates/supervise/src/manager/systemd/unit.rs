//! A unit file, made from a service.

use std::fmt::Write as _;
use std::path::Path;

use steady_model::config::{Service, StopSignal};
use steady_model::service::RestartPolicy;

use super::error::SystemdError;
use crate::manager::through::Through;

/// Between an end and systemd's own next start, seconds. Steady itself comes first while it runs.
const RESTART_SEC: u32 = 2;

/// The unit of a service. It holds no variable of the service's and no secret: `steady exec` looks them up at each
/// start.
pub fn unit(spec: &Service, through: &Through) -> Result<String, SystemdError> {
    let argv = through.argv();
    let words = argv.iter().map(|word| Ok(quoted(text(word)?).replace('$', "$$")));
    let words = words.collect::<Result<Vec<_>, SystemdError>>()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let restart = match spec.restart {
        _ if spec.oneshot => "no",
        RestartPolicy::Always => "always",
        RestartPolicy::OnFailure => "on-failure",
        RestartPolicy::Never => "no",
    };
    let signal = match spec.stop_signal {
        StopSignal::Term => "SIGTERM",
        StopSignal::Int => "SIGINT",
        StopSignal::Quit => "SIGQUIT",
        StopSignal::Hup => "SIGHUP",
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(format_args!("{words}\n"));
    };
    line(format_args!("# Written by Steady at each start of the service; what is changed here is lost."));
    line(format_args!("[Unit]"));
    line(format_args!("Description={} (kept by Steady)", plain(&spec.name)));
    // Steady tells a crash loop itself; systemd's would give up for ever.
    line(format_args!("StartLimitIntervalSec=0"));
    line(format_args!("[Service]"));
    line(format_args!("Type=exec"));
    line(format_args!("ExecStart={}", words.join(" ")));
    line(format_args!("WorkingDirectory={}", escaped(&spec.cwd)?));
    line(format_args!("Environment={}", quoted(&format!("PATH={path}"))));
    line(format_args!("Restart={restart}"));
    line(format_args!("RestartSec={RESTART_SEC}"));
    if !spec.success_codes.is_empty() {
        let codes: Vec<String> = spec.success_codes.iter().map(ToString::to_string).collect();
        line(format_args!("SuccessExitStatus={}", codes.join(" ")));
    }
    line(format_args!("KillMode=control-group"));
    line(format_args!("KillSignal={signal}"));
    line(format_args!("TimeoutStopSec={}ms", spec.stop_grace.as_millis().max(1)));
    Ok(text)
}

/// Whether two units say the same. The `PATH` is that of whoever started the agent last, and nobody's wish.
pub fn same(one: &str, other: &str) -> bool {
    let bare = |text: &'_ str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("Environment=")).map(str::to_owned).collect()
    };
    bare(one) == bare(other)
}

/// In quotes, with the specifiers that systemd would replace doubled. Of a command line, `$` has to be doubled too.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '%' => out.push_str("%%"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A path that stands alone: not quoted, but with its specifiers doubled.
fn escaped(path: &Path) -> Result<String, SystemdError> {
    Ok(text(path)?.replace('%', "%%"))
}

fn plain(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ")
}

fn text(path: &Path) -> Result<&str, SystemdError> {
    path.to_str().ok_or_else(|| SystemdError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn through(home: &str) -> Through {
        Through { program: "/opt/steady".into(), home: home.into(), service: "brain".into() }
    }

    #[test]
    fn a_service_becomes_a_unit() {
        let spec = Service {
            restart: RestartPolicy::OnFailure,
            success_codes: vec![3, 4],
            stop_signal: StopSignal::Int,
            stop_grace: Duration::from_millis(2500),
            ..Service::child("brain", vec!["uv".into()], "/srv/100% brain")
        };
        let text = unit(&spec, &through("/srv/my home/$x")).unwrap();
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        insta::assert_snapshot!(text.replace(&path, "PATH=(here)"));
    }

    #[test]
    fn neither_a_secret_nor_a_variable_of_the_service_gets_into_the_file() {
        let mut spec = Service::child("brain", vec!["serve".into(), "--password=swordfish".into()], "/srv");
        spec.env.vars.insert("TOKEN".into(), "hunter22".into());
        let text = unit(&spec, &through("/srv/home")).unwrap();
        assert!(!text.contains("hunter22") && !text.contains("swordfish"), "{text}");
    }
}
