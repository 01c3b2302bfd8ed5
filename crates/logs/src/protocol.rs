//! What is said over the sink's socket: one JSON object per line, one answer per request. After `subscribe`
//! events follow, as they come.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steady_model::config::Rotation;

/// One service's output: where it comes from and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub service: String,
    /// Made by the agent before it attaches.
    pub fifo: PathBuf,
    /// Gets `current` and the archives; made with mode 0700 if missing.
    pub dir: PathBuf,
    /// Its keys stand beside the others; in version 1 there were `max_bytes` and `keep` only.
    #[serde(flatten)]
    pub rotation: Rotation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Ping {},
    Attach(Attachment),
    Detach {
        service: String,
    },
    /// Asks for [`SinkEvent`]s over this connection, from now on. What goes on already is told at once.
    Subscribe {},
    /// Asks for the figures of every service.
    Stats {},
    /// Ends the sink: everything is being shut down.
    Quit {},
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Vec<ServiceStats>>,
}

/// What this sink did for one service since it started; a sink that was killed begins at 0 again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStats {
    pub service: String,
    /// Written to the log.
    pub bytes: u64,
    pub dropped_lines: u64,
    pub dropped_bytes: u64,
    pub rotations: u64,
}

/// What the sink tells unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkEvent {
    /// Output could not be written and is being dropped; or, with `ended`, it can be written again, and the
    /// figures say how much is missing.
    Dropped { service: String, lines: u64, bytes: u64, ended: bool },
    /// One line came over and over: at least 1,000 times in a row within 60 s. It ended once no line did so
    /// for 60 s. `line` is cut after 200 characters; `count` is how often it came, so far.
    Flood { service: String, line: String, count: u64, ended: bool },
    /// A file of this size was full and is an archive now.
    Rotated { service: String, bytes: u64 },
}

impl SinkEvent {
    /// The request that starts the events, with its line end, for those who read the socket themselves.
    pub const SUBSCRIBE: &'static str = "{\"subscribe\":{}}\n";

    /// An event from its line; `None` for any other line, such as the answer to the request itself.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

pub fn socket_path(home: &Path) -> PathBuf {
    home.join("sink.sock")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requests_read_as_the_documented_json() {
        let text = r#"{"attach":{"service":"brain","fifo":"/h/fifo/brain","dir":"/h/logs/brain","max_bytes":10,"keep":5,"max_age":{"secs":86400,"nanos":0},"total_bytes":100,"compress":true}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        let rotation = Rotation {
            max_bytes: 10,
            keep: 5,
            max_age: Some(Duration::from_secs(86400)),
            total_bytes: Some(100),
            compress: true,
        };
        assert!(matches!(&request, Request::Attach(a) if a.service == "brain" && a.rotation == rotation));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::to_string(&Request::Ping {}).unwrap(), r#"{"ping":{}}"#);
        assert_eq!(serde_json::to_string(&Request::Subscribe {}).unwrap() + "\n", SinkEvent::SUBSCRIBE);
        let ok = Reply { ok: true, ..Reply::default() };
        assert_eq!(serde_json::to_string(&ok).unwrap(), r#"{"ok":true}"#);
    }

    #[test]
    fn an_attachment_of_an_older_agent_has_no_age_no_total_and_no_compression() {
        let text = r#"{"attach":{"service":"brain","fifo":"/h/f","dir":"/h/l","max_bytes":10,"keep":5}}"#;
        let Request::Attach(at) = serde_json::from_str(text).unwrap() else { panic!("not an attach") };
        let expected = Rotation { max_bytes: 10, keep: 5, max_age: None, total_bytes: None, compress: false };
        assert_eq!(at.rotation, expected);
    }

    #[test]
    fn events_read_as_the_documented_json() {
        let dropped = r#"{"dropped":{"service":"brain","lines":3,"bytes":120,"ended":true}}"#;
        let flood = r#"{"flood":{"service":"brain","line":"again","count":1000,"ended":false}}"#;
        for text in [dropped, flood] {
            assert_eq!(serde_json::to_string(&SinkEvent::parse(text).unwrap()).unwrap(), text);
        }
        assert_eq!(SinkEvent::parse(r#"{"ok":true}"#), None);
    }
}
