//! An HTTP interface that answers JSON, at a URL or behind a Unix socket.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, RequestBuilder};
use serde_json::Value;

use crate::http_client::{self, cause, io_error};
use crate::probe::one_line;

const BODY_LIMIT: usize = 8 << 20;
const SHOWN_CHARS: usize = 120;

pub struct Endpoint {
    base: String,
    client: Client,
}

/// Why a question had no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing listens.
    Refused,
    /// There is no socket file.
    Missing,
    /// The socket file may not be used.
    Denied,
    /// The connection ended before an answer.
    Closed,
    Overdue,
    TooLarge,
    NotJson,
    /// It answered this status, with these words.
    Status(u16, String),
    Other(String),
}

impl Endpoint {
    pub fn at(url: &str) -> Result<Self, String> {
        Self::made(url.trim_end_matches('/'), Client::builder())
    }

    pub fn behind(socket: &Path) -> Result<Self, String> {
        Self::made("http://localhost", Client::builder().unix_socket(socket))
    }

    fn made(base: &str, builder: ClientBuilder) -> Result<Self, String> {
        Ok(Self { base: base.to_owned(), client: http_client::build(builder)? })
    }

    /// The body as it is; an error when the status is not 2xx.
    pub async fn text(&self, path: &str, limit: Duration) -> Result<String, Trouble> {
        let bytes = send(self.client.get(format!("{}{path}", self.base)).timeout(limit)).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)], limit: Duration) -> Result<Value, Trouble> {
        let request = self.client.get(format!("{}{path}", self.base)).query(query).timeout(limit);
        serde_json::from_slice(&send(request).await?).map_err(|_| Trouble::NotJson)
    }

    pub async fn post(&self, path: &str, body: &Value, limit: Duration) -> Result<Value, Trouble> {
        let request = self.client.post(format!("{}{path}", self.base)).json(body).timeout(limit);
        serde_json::from_slice(&send(request).await?).map_err(|_| Trouble::NotJson)
    }
}

async fn send(request: RequestBuilder) -> Result<Vec<u8>, Trouble> {
    let mut response = request.send().await.map_err(|e| trouble(&e))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| trouble(&e))? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    // Both Ollama (`error`) and the Docker Engine (`message`) say why.
    let said = serde_json::from_slice::<Value>(&body).ok().and_then(|json| {
        let said = json.get("error").or_else(|| json.get("message"))?;
        said.as_str().map(str::to_owned)
    });
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
    Err(Trouble::Status(status.as_u16(), one_line(&said, SHOWN_CHARS)))
}

fn trouble(e: &reqwest::Error) -> Trouble {
    if e.is_timeout() {
        return Trouble::Overdue;
    }
    match io_error(e).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => Trouble::Refused,
        Some(ErrorKind::NotFound) => Trouble::Missing,
        Some(ErrorKind::PermissionDenied) => Trouble::Denied,
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
            Trouble::Closed
        }
        _ => Trouble::Other(one_line(&cause(e), SHOWN_CHARS)),
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused: nothing listens there"),
            Self::Missing => f.write_str("there is no such socket"),
            Self::Denied => f.write_str("permission denied"),
            Self::Closed => f.write_str("the connection was closed before an answer"),
            Self::Overdue => f.write_str("it took the connection and did not answer in time"),
            Self::TooLarge => f.write_str("its answer is larger than 8 MiB"),
            Self::NotJson => f.write_str("its answer is not JSON"),
            Self::Status(code, said) if said.is_empty() => write!(f, "HTTP {code}"),
            Self::Status(code, said) => write!(f, "HTTP {code}, {said}"),
            Self::Other(said) => f.write_str(said),
        }
    }
}
