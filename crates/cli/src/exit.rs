use std::process::ExitCode;

use steady_agent::{AgentError, ConfigFileError};
use steady_client::ClientError;

/// The agent does not answer.
pub const NO_AGENT: u8 = 3;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

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
    match e.downcast_ref() {
        Some(ClientError::AgentGone { .. }) => NO_AGENT,
        _ => FAILED,
    }
}
