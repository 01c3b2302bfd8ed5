use std::path::{Path, PathBuf};

/// Where an agent keeps what is its own; one agent per home. All of it is 0700.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("agent.sock")
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join("agent.lock")
    }

    pub fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history.db")
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}
