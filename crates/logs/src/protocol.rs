//! What is said over the sink's socket: one JSON object per line, one answer per request.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One service's output: where it comes from and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub service: String,
    /// Made by the agent before it attaches.
    pub fifo: PathBuf,
    /// Gets `current` and the archives; made with mode 0700 if missing.
    pub dir: PathBuf,
    /// A new file starts before the current one grows beyond this, bytes.
    pub max_bytes: u64,
    /// How many old files are kept.
    pub keep: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Ping {},
    Attach(Attachment),
    Detach {
        service: String,
    },
    /// Ends the sink: everything is being shut down.
    Quit {},
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

pub fn socket_path(home: &Path) -> PathBuf {
    home.join("sink.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_the_documented_json() {
        let text = r#"{"attach":{"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10,"keep":5}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert!(matches!(&request, Request::Attach(a) if a.service == "brain" && a.keep == 5));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::to_string(&Request::Ping {}).unwrap(), r#"{"ping":{}}"#);
        assert_eq!(serde_json::to_string(&Reply { ok: true, error: None }).unwrap(), r#"{"ok":true}"#);
    }
}
