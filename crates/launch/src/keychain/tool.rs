//! Running a store's command-line tool, with a limit.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use zeroize::Zeroizing;

/// More than any secret; what is beyond is cut.
const LONGEST: u64 = 1 << 16;
/// What of the tool's complaint is shown, characters.
const SHOWN: usize = 200;

/// A tool and how to run it.
#[derive(Debug, Clone)]
pub struct Tool {
    pub program: PathBuf,
    /// Added to this process's environment.
    pub environment: Vec<(OsString, OsString)>,
    pub limit: Duration,
}

pub struct Answer {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub out: Zeroizing<Vec<u8>>,
    /// Standard error, as text.
    pub said: Zeroizing<String>,
}

impl Answer {
    /// What a failure says: the first line, shortened.
    pub fn complaint(&self) -> String {
        self.said
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default()
            .chars()
            .take(SHOWN)
            .collect()
    }
}

impl Tool {
    /// `Ok(None)` is over the limit; then the tool and its children are dead.
    pub fn run(&self, args: &[&str]) -> io::Result<Option<Answer>> {
        self.run_with(args, None)
    }

    /// As [`Self::run`], with a standard input: the one way for a secret to a tool, as all users see arguments.
    pub fn run_with(&self, args: &[&str], input: Option<Zeroizing<Vec<u8>>>) -> io::Result<Option<Answer>> {
        let mut child = Command::new(&self.program)
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("LC_ALL", "C")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let told = tell(&mut child, input);
        let answered = told.and_then(|()| answer_of(&mut child, self.limit));
        // The leader is unreaped, so the number is still this group's.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let status = child.wait()?;
        let code = if status.signal().is_some() { None } else { status.code() };
        Ok(answered?.map(|(out, said)| Answer { code, out, said }))
    }
}

/// In a thread of its own: a tool that reads nothing is ended at its limit, and the thread with it.
fn tell(child: &mut Child, input: Option<Zeroizing<Vec<u8>>>) -> io::Result<()> {
    let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) else { return Ok(()) };
    thread::Builder::new().name("keychain-stdin".to_owned()).spawn(move || {
        // One that ended without reading says why by its answer.
        let _ = pipe.write_all(&input);
    })?;
    Ok(())
}

type Output = (Zeroizing<Vec<u8>>, Zeroizing<String>);

/// Waits until the tool closed its output and ended, in threads of their own, which end with the tool.
fn answer_of(child: &mut Child, limit: Duration) -> io::Result<Option<Output>> {
    let (out, err, pid) = (child.stdout.take(), child.stderr.take(), Pid::from_child(child));
    let (tell, told) = mpsc::channel();
    let complaint = thread::Builder::new()
        .name("keychain-stderr".to_owned())
        .spawn(move || Zeroizing::new(String::from_utf8_lossy(&read(err)).into_owned()))?;
    thread::Builder::new().name("keychain-stdout".to_owned()).spawn(move || {
        let out = read(out);
        let said = complaint.join().unwrap_or_default();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), options).is_err_and(|e| e == rustix::io::Errno::INTR) {}
        let _ = tell.send((out, said));
    })?;
    Ok(told.recv_timeout(limit).ok())
}

/// All of it, also what is cut, so that the writer is never held up.
fn read(pipe: Option<impl Read>) -> Zeroizing<Vec<u8>> {
    let room = usize::try_from(LONGEST).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    if let Some(mut pipe) = pipe {
        let _ = pipe.by_ref().take(LONGEST).read_to_end(&mut bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
    }
    bytes
}

/// Shown in errors: its name without the folder.
pub fn name_of(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(limit: Duration) -> Tool {
        Tool { program: "/bin/sh".into(), environment: vec![("MARK".into(), "here".into())], limit }
    }

    #[test]
    fn output_complaint_and_code_come_back() {
        let answer = sh(Duration::from_secs(20))
            .run(&["-c", "printf $MARK; echo; echo no >&2; exit 44"])
            .unwrap()
            .unwrap();
        assert_eq!(
            (answer.code, answer.out.as_slice(), answer.complaint().as_str()),
            (Some(44), &b"here\n"[..], "no")
        );
    }

    #[test]
    fn input_reaches_the_tool_and_one_that_reads_none_is_ended_in_time() {
        let long = Zeroizing::new(vec![b'x'; 1 << 17]);
        let answer = sh(Duration::from_secs(20)).run_with(&["-c", "wc -c"], Some(long.clone())).unwrap();
        assert_eq!(answer.unwrap().out.trim_ascii(), b"131072");
        let deaf = sh(Duration::from_secs(20)).run_with(&["-c", "exit 3"], Some(long.clone())).unwrap();
        assert_eq!(deaf.unwrap().code, Some(3));
        let stuck = sh(Duration::from_millis(300)).run_with(&["-c", "exec tail -f /dev/null"], Some(long));
        assert!(stuck.unwrap().is_none());
    }

    fn told_after(wait: Duration) -> bool {
        mpsc::channel::<()>().1.recv_timeout(wait).is_ok()
    }

    #[test]
    fn a_tool_that_waits_for_ever_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // The child says who it is; both wait on a FIFO that nobody writes.
        let pid = dir.path().join("pid");
        let script = format!(
            "exec 3<>'{}'; (read line <&3) & echo $! >'{}'; read line <&3",
            fifo.display(),
            pid.display()
        );
        let answer = sh(Duration::from_millis(500)).run(&["-c", &script]).unwrap();
        assert!(answer.is_none());
        let child =
            std::fs::read_to_string(&pid).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap();
        // Whoever adopted it reaps it when they like.
        let gone = || match std::fs::read_to_string(format!("/proc/{child}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => rustix::process::test_kill_process(child).is_err(),
        };
        for _ in 0..1000 {
            if gone() {
                return;
            }
            thread::yield_now();
            let _ = told_after(Duration::from_millis(5));
        }
        panic!("the child {child} lives");
    }
}
