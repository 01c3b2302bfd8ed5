//! The demo stack: `brain` over a sample vault, all of it in one folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../brain/demo/vault"]
struct Vault;

const CONFIG: &str = include_str!("demo.toml");

/// Where the demo keeps its configuration and Steady's own state.
pub struct Demo {
    pub home: PathBuf,
    pub config: PathBuf,
}

/// Makes what is missing in `dir`; what is there is never touched.
pub fn prepare(dir: &Path) -> anyhow::Result<Demo> {
    let dir = std::path::absolute(dir)?;
    let demo = Demo { home: dir.join(".steady"), config: dir.join("steady.toml") };
    create_dir(&dir.join("data"))?;
    let vault = dir.join("vault");
    if !vault.exists() {
        for name in Vault::iter() {
            let note = vault.join(name.as_ref());
            create_dir(note.parent().unwrap_or(&vault))?;
            let file =
                Vault::get(&name).with_context(|| format!("the sample note {name} is not in this build"))?;
            std::fs::write(&note, file.data)
                .with_context(|| format!("cannot write the sample note {}", note.display()))?;
        }
    }
    if !demo.config.exists() {
        std::fs::write(&demo.config, CONFIG)
            .with_context(|| format!("cannot write {}", demo.config.display()))?;
    }
    Ok(demo)
}

fn create_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))
}
