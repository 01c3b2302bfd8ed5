use std::error::Error;
use std::path::PathBuf;

use steady_model::api::Problem;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, the connection broke, or no answer came in time: what the backend does is not known.
    #[error("the agent does not answer on {}: {why}; start it with `steady up`", socket.display())]
    AgentGone { socket: PathBuf, why: String },
    /// The agent answered, and said no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    #[error(
        "the agent's answer to {request} is not understood: {why}; agent and client may be of different versions"
    )]
    Protocol { request: String, why: String },
    #[error("the panel may not ask for {path}; only paths below /api/v1/ are open to it")]
    Path { path: String },
    #[error("cannot make an HTTP client: {why}")]
    Setup { why: String },
    #[error("there is no home directory to keep Steady's files in; set STEADY_HOME to a directory")]
    NoHome,
}

impl ClientError {
    /// The words for a surface that shows errors as `{code, detail}`, whoever made them.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Refused(problem) => return problem.clone(),
            Self::AgentGone { .. } => "agent_gone",
            Self::Path { .. } => "refused",
            Self::Protocol { .. } | Self::Setup { .. } | Self::NoHome => "internal",
        };
        Problem { code: code.to_owned(), detail: self.to_string() }
    }
}

/// The innermost cause: reqwest's own words say only that sending failed.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
