//! Steady's engine as the agent uses it: one process and one request for each piece of work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::cost::{self, Run};
use crate::clock::Moment;

#[derive(Debug)]
pub struct Engine<'a> {
    program: &'a Path,
    repository: PathBuf,
    scratch: PathBuf,
}

/// What the engine says of a point.
#[derive(Debug, Clone)]
pub struct Point {
    pub id: String,
    pub barrier_micros: u64,
    /// What could not be read, as it says.
    pub missing: usize,
}

impl<'a> Engine<'a> {
    /// With a new repository below `folder`.
    pub fn create(program: &'a Path, folder: &Path, source: &Path) -> anyhow::Result<Self> {
        let scratch = folder.join("steady-scratch");
        fs::create_dir_all(&scratch)?;
        // As Steady makes its keys, which its engine tells by their form.
        fs::write(scratch.join("password"), "5e".repeat(32))?;
        let engine = Self { program, repository: folder.join("steady"), scratch };
        engine.ask(&json!({ "init": { "source": source } }))?;
        Ok(engine)
    }

    pub fn repository(&self) -> &Path {
        &self.repository
    }

    pub fn backup(&self, source: &Path) -> anyhow::Result<(Run, Point)> {
        let (run, done) = self.ask(&backup_of(source))?;
        Ok((run, Point::of(&done)?))
    }

    pub fn verify(&self, point: &str) -> anyhow::Result<Run> {
        let (run, done) = self.ask(&json!({ "verify": { "point": point } }))?;
        let problems = done.get("verdict").and_then(|v| v.get("problems")).and_then(Value::as_array);
        match problems {
            Some(none) if none.is_empty() => Ok(run),
            other => bail!("the point is not good: {other:?}"),
        }
    }

    pub fn stage(&self, point: &str, into: &Path) -> anyhow::Result<Run> {
        Ok(self.ask(&json!({ "stage": { "point": point, "into": into } }))?.0)
    }

    /// Takes a point without waiting for the disk afterwards; says when it began and ended.
    pub fn take(&self, source: &Path) -> anyhow::Result<(Moment, Moment, Point)> {
        let request = self.request(&backup_of(source))?;
        let begun = Moment::now();
        let mut engine = Command::new(self.program);
        let output = engine.arg("engine").stdin(File::open(request)?).stderr(Stdio::inherit()).output()?;
        let ended = Moment::now();
        Ok((begun, ended, Point::of(&answer(&String::from_utf8_lossy(&output.stdout))?)?))
    }

    fn ask(&self, command: &Value) -> anyhow::Result<(Run, Value)> {
        let mut engine = Command::new(self.program);
        engine.arg("engine");
        let (run, said) = cost::run(&engine, Some(&self.request(command)?), &self.scratch)?;
        Ok((run, answer(&said)?))
    }

    fn request(&self, command: &Value) -> anyhow::Result<PathBuf> {
        let request = json!({
            "repository": self.repository,
            "key": { "file": self.scratch.join("password") },
            "scratch": self.scratch.join("work"),
            "command": command,
        });
        let path = self.scratch.join("request");
        // The key follows the request.
        let key = fs::read_to_string(self.scratch.join("password"))?;
        fs::write(&path, format!("{request}\n{key}\n"))?;
        Ok(path)
    }
}

fn backup_of(source: &Path) -> Value {
    json!({ "backup": { "source": source, "exclude": [], "kind": "manual" } })
}

/// What the engine's last line says was done.
fn answer(said: &str) -> anyhow::Result<Value> {
    let last: Value = serde_json::from_str(said.lines().last().context("the engine said nothing")?)?;
    last.get("done").cloned().with_context(|| format!("the engine failed: {last}"))
}

impl Point {
    fn of(done: &Value) -> anyhow::Result<Self> {
        let taken = done.get("taken").context("the engine took no point")?;
        let point = taken.get("point").context("it says nothing of the point")?;
        let micros = taken.get("barrier_micros").and_then(Value::as_u64);
        Ok(Self {
            id: point.get("id").and_then(Value::as_str).context("the point has no name")?.to_owned(),
            barrier_micros: micros.context("it says nothing of the barrier")?,
            missing: point.get("missing").and_then(Value::as_array).map_or(0, Vec::len),
        })
    }
}
