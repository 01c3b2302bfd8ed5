use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

use crate::ClientError;

/// The agent's socket, relative to the home.
pub const SOCKET: &str = "agent.sock";

/// Where Steady keeps its own files: `$STEADY_HOME`, else the per-user place of the system
/// (`~/.local/state/steady`, `~/Library/Application Support/Steady`). It need not exist yet.
pub fn home() -> Result<PathBuf, ClientError> {
    if let Some(home) = std::env::var_os("STEADY_HOME").filter(|h| !h.is_empty()) {
        return std::path::absolute(home).map_err(|_| ClientError::NoHome);
    }
    let strategy = choose_native_strategy().map_err(|_| ClientError::NoHome)?;
    Ok(match strategy.state_dir() {
        Some(state) => state.join("steady"),
        // Apple has one place for what an app keeps, and names it like the app.
        None => strategy.data_dir().join("Steady"),
    })
}
