use std::process::ExitCode;

use steady_agent::{AgentError, ConfigFileError};
use steady_client::ClientError;

/// The agent does not answer.
pub const NO_AGENT: u8 = 3;
/// As a shell says that a program ended by Ctrl-C.
const LEFT: u8 = 130;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// A person does not wait any more for what goes on in the agent.
#[derive(Debug)]
pub struct Left;

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "not waited for any more; `steady status` shows how far it is, `steady backup cancel` ends it",
        )
    }
}

impl std::error::Error for Left {}

/// Prints an error once, here, and turns it into the exit code that the manual promises.
pub fn report(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(e) => {
            crate::style::complain(&format!("{e:#}"));
            code(&e).into()
        }
    }
}

fn code(e: &anyhow::Error) -> u8 {
    if e.is::<ConfigFileError>() || matches!(e.downcast_ref(), Some(AgentError::Config(_))) {
        return USAGE;
    }
    if e.is::<Left>() {
        return LEFT;
    }
    match e.downcast_ref() {
        Some(ClientError::AgentGone { .. }) => NO_AGENT,
        _ => FAILED,
    }
}
