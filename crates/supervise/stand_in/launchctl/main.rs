//! launchctl, and the launchd behind it, as far as Steady meets them: for tests where there is no Mac.
//!
//! It keeps to the real tool's words, exit codes and habits, also the unpleasant ones: a bootout returns before the
//! process has ended, and until then a bootstrap of the label is refused with `5: Input/output error`; a job that
//! ends is started again no sooner than its `ThrottleInterval` allows; keys that it does not know are ignored. It knows
//! nothing of Steady. Each loaded job has a process of this program that is its launchd.
//!
//! `STAND_IN_STATE`: the directory of its state. `STAND_IN_SECOND_MS`: how long launchd's seconds are here.

#![allow(clippy::disallowed_methods, reason = "it stands for a program that reads its own clock")]

mod definition;
mod job;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use definition::Definition;

/// An exit code, and what is said with it.
pub struct Reply {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Reply {
    pub fn done(out: impl Into<String>) -> Self {
        Self { code: 0, out: out.into(), err: String::new() }
    }

    pub fn refused(code: u8, err: impl Into<String>) -> Self {
        Self { code, out: String::new(), err: err.into() }
    }
}

struct State(PathBuf);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(state) = std::env::var_os("STAND_IN_STATE").map(PathBuf::from) else {
        let _ = writeln!(io::stderr(), "STAND_IN_STATE is not set");
        return ExitCode::from(64);
    };
    let state = State(state);
    let reply = match words.as_slice() {
        // Its launchd.
        ["keep", domain, file] => return keep(&state, domain, Path::new(file)),
        ["bootstrap", domain, file] => state.bootstrap(domain, Path::new(file)),
        ["bootout", target] => state.bootout(target),
        ["kickstart", flags @ .., target] if flags.iter().all(|flag| flag.starts_with('-')) => {
            state.kickstart(flags, target)
        }
        ["kill", signal, target] => state.to_job(target, &format!("kill {signal}")),
        ["print", target] => state.to_job(target, "print"),
        ["print-disabled", domain] => state.print_disabled(domain),
        ["disable", target] => state.allow(target, false),
        ["enable", target] => state.allow(target, true),
        [verb, ..] => Reply::refused(64, format!("Unrecognized subcommand: {verb}\n")),
        [] => Reply::refused(64, "Usage: launchctl <subcommand> ...\n"),
    };
    let _ = io::stdout().write_all(reply.out.as_bytes());
    let _ = io::stderr().write_all(reply.err.as_bytes());
    ExitCode::from(reply.code)
}

fn keep(state: &State, domain: &str, file: &Path) -> ExitCode {
    let kept = Definition::read(file)
        .ok_or_else(|| io::Error::other("no definition"))
        .and_then(|definition| job::keep(domain, file, &state.socket(domain, &definition.label), definition));
    if kept.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl State {
    fn socket(&self, domain: &str, label: &str) -> PathBuf {
        self.0.join(format!("{}.{label}", domain.replace('/', ".")))
    }

    /// Sessions are there unless the file `absent` names them.
    fn has(&self, domain: &str) -> bool {
        let known = domain.starts_with("gui/") || domain.starts_with("user/");
        known && !self.lines("absent").iter().any(|line| line == domain)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.0.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn bootstrap(&self, domain: &str, file: &Path) -> Reply {
        let failed = |code: u8, words: &str| {
            let hint = if code == 5 { "Try re-running the command as root for richer errors.\n" } else { "" };
            Reply::refused(code, format!("Bootstrap failed: {code}: {words}\n{hint}"))
        };
        if !self.has(domain) {
            return failed(125, "Domain does not support specified action");
        }
        let Some(definition) = Definition::read(file) else { return failed(5, "Input/output error") };
        if fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o022 != 0) {
            return failed(122, "Path had bad ownership/permissions");
        }
        let target = format!("{domain}/{}", definition.label);
        if self.lines("disabled").contains(&target) {
            let mut reply = failed(119, "Service is disabled");
            reply.err = format!("{}: Service is disabled\n{}", file.display(), reply.err);
            return reply;
        }
        let socket = self.socket(domain, &definition.label);
        if UnixStream::connect(&socket).is_ok() {
            return failed(5, "Input/output error");
        }
        let _ = fs::remove_file(&socket);
        match start_keeper(domain, file) {
            Ok(()) => Reply::done(""),
            Err(_) => failed(5, "Input/output error"),
        }
    }

    fn bootout(&self, target: &str) -> Reply {
        let reply = self.to_job(target, "bootout");
        if reply.code == 113 { Reply::refused(3, "Boot-out failed: 3: No such process\n") } else { reply }
    }

    fn kickstart(&self, flags: &[&str], target: &str) -> Reply {
        let has = |letter: char| flags.iter().any(|flag| flag.contains(letter));
        let mut reply = self.to_job(target, if has('k') { "kickstart kill" } else { "kickstart" });
        if !has('p') {
            reply.out.clear();
        }
        reply
    }

    fn print_disabled(&self, domain: &str) -> Reply {
        if !self.has(domain) {
            return no_domain(domain);
        }
        let of_domain = |line: &String| {
            let label = line.strip_prefix(domain)?.strip_prefix('/')?;
            Some(format!("\t\t\"{label}\" => disabled\n"))
        };
        let lines: String = self.lines("disabled").iter().filter_map(of_domain).collect();
        let other = "\t\t\"com.apple.Siri.agent\" => enabled\n";
        Reply::done(format!(
            "\n\tdisabled services = {{\n{other}{lines}\t}}\n\tlogin item associations = {{\n\t}}\n"
        ))
    }

    fn allow(&self, target: &str, allowed: bool) -> Reply {
        let mut lines = self.lines("disabled");
        lines.retain(|line| line != target);
        if !allowed {
            lines.push(target.to_owned());
        }
        match fs::write(self.0.join("disabled"), lines.join("\n")) {
            Ok(()) => Reply::done(""),
            Err(e) => Reply::refused(5, format!("{e}\n")),
        }
    }

    fn to_job(&self, target: &str, order: &str) -> Reply {
        let Some((domain, label)) = target.rsplit_once('/') else {
            return Reply::refused(64, "Unrecognized target specifier.\n");
        };
        if !self.has(domain) {
            return no_domain(domain);
        }
        match ask(&self.socket(domain, label), order) {
            Ok(reply) => reply,
            Err(_) => {
                let (kind, uid) = domain.split_once('/').unwrap_or((domain, ""));
                let user = if kind == "gui" { "user gui" } else { "user" };
                Reply::refused(
                    113,
                    format!("Bad request.\nCould not find service \"{label}\" in domain for {user}: {uid}\n"),
                )
            }
        }
    }
}

fn no_domain(domain: &str) -> Reply {
    let uid = domain.rsplit('/').next().unwrap_or_default();
    Reply::refused(112, format!("Bad request.\nCould not find domain for user gui: {uid}\n"))
}

fn ask(socket: &Path, order: &str) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    writeln!(stream, "{order}")?;
    let mut answer = BufReader::new(stream);
    let mut code = String::new();
    if answer.read_line(&mut code)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut text = String::new();
    answer.read_to_string(&mut text)?;
    let code = code.trim().parse().map_err(io::Error::other)?;
    Ok(if code == 0 { Reply::done(text) } else { Reply::refused(code, text) })
}

/// Returns when the job is loaded.
fn start_keeper(domain: &str, file: &Path) -> io::Result<()> {
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["keep", domain])
        .arg(file)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut line = String::new();
    if let Some(out) = keeper.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    if line.trim() == "loaded" { Ok(()) } else { Err(io::Error::other("not loaded")) }
}
