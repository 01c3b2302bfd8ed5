use std::path::Path;

use anyhow::Context;
use steady_agent::Home;
use steady_model::snapshot::Snapshot;

/// The address that signs a browser in.
pub fn sign_in(home: &Path, snapshot: &Snapshot) -> anyhow::Result<String> {
    let panel = snapshot
        .agent
        .panel
        .as_deref()
        .context("the agent could not listen for browsers; its log says why (agent.log in its home)")?;
    let path = Home::new(home).token();
    let token = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the token {}", path.display()))?;
    Ok(format!("{panel}/login?token={}", token.trim()))
}
