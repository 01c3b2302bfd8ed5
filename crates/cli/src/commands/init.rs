use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use steady_intake::{Folder, Found, draft, recognise};
use steady_model::config::{self, Roots};

use crate::style;

pub fn run(dir: Option<PathBuf>, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let dir = std::path::absolute(dir.unwrap_or_else(|| PathBuf::from(".")))?;
    let found = recognise(&Folder::read(&dir)?);
    let Some(text) = draft(&found) else {
        anyhow::bail!(
            "nothing in {} says how a backend is run: no compose file, no Procfile, no pyproject.toml with uvicorn or \
             fastapi, no start script in package.json, no SQLite database in a folder below; docs/configuration.md \
             tells how to write steady.toml by hand",
            dir.display()
        );
    };
    let file = dir.join("steady.toml");
    let user_home = std::env::home_dir();
    // What is written must be what Steady reads.
    config::parse(&text, &file, Roots { base: &dir, user_home: user_home.as_deref() })?;
    if !dry_run {
        write_new(&file, &text)?;
    }
    if json {
        style::json(&json!({ "found": found, "text": text, "written": (!dry_run).then_some(&file) }))?;
    } else {
        tell(&found, &file, &text, dry_run);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(found: &[Found], file: &Path, text: &str, dry_run: bool) {
    for one in found {
        style::note(&format!("found {one}"));
    }
    if dry_run {
        style::say(text.trim_end());
        return;
    }
    let shown = file.display();
    style::say(&format!(
        "Written: {shown}\nRead it, then try its checks: steady check --validate --config {shown}"
    ));
    style::say(&format!("Take it into service: steady up --config {shown}"));
}

/// Never over what somebody has written.
fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    if file.symlink_metadata().is_ok() {
        anyhow::bail!(
            "{} is there and is left alone; `--dry-run` prints what this would write",
            file.display()
        );
    }
    Ok(steady_disk::write_atomic(file, text.as_bytes(), 0o644)?)
}
