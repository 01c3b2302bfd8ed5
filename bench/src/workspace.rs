//! Where the bench finds what it measures: programs, and a fresh directory for each measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

#[derive(Debug)]
pub struct Workspace {
    /// The checkout.
    pub root: PathBuf,
    /// The release build of `steady`.
    pub steady: PathBuf,
    /// The service under test.
    pub probe: PathBuf,
    /// Peers that are no system packages.
    pub peers: PathBuf,
}

impl Workspace {
    pub fn prepare(steady: Option<PathBuf>) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("bench/ has no parent")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let steady = steady.unwrap_or_else(|| target.join("release/steady"));
        ensure!(steady.is_file(), "{} is missing: cargo build --release -p steady-cli", steady.display());
        let bench = root.join("target/bench");
        std::fs::create_dir_all(bench.join("results"))?;
        let probe = bench.join("probe");
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-static", "-o"])
            .arg(&probe)
            .arg(root.join("bench/probe.c"))
            .status()
            .context("cannot run the C compiler")?;
        ensure!(compiled.success(), "bench/probe.c does not compile");
        Ok(Self {
            steady: steady.canonicalize()?,
            probe: probe.canonicalize()?,
            peers: bench.join("peers"),
            root,
        })
    }

    pub fn results(&self, part: &str) -> PathBuf {
        self.root.join("target/bench/results").join(part).with_extension("json")
    }
}

/// Short, since Unix sockets are made below it.
pub fn scratch() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("steady-bench-").tempdir().context("cannot make a temporary directory")
}
