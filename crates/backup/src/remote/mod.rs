//! A repository that another machine keeps, reached by restic's REST: a server that speaks it, or rclone, which
//! speaks it on its standard input and output for whatever it reaches.
//!
//! The calls block. The library has backends of its own for both; they are not used because its rclone listens on a
//! port and outlives an engine that is killed, they hide what the other side said, and their TLS would come into
//! every HTTP client of the agent.

mod error;
mod pace;
mod rclone;
mod server;
mod upload;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, RANGE};
use hyper::{Method, Request, Response, StatusCode, http};
use serde::Deserialize;
use steady_model::config::CopyPlace;
use tokio::runtime::Runtime;

use crate::error::BackupError;
pub use error::RemoteError;
pub(crate) use pace::Pace;
use rclone::Rclone;
use server::Server;
use upload::{Moved, Upload};

/// The second version of a listing has the sizes.
const LISTING: &str = "application/vnd.x.restic.rest.v2";
/// So long nothing may move. What lies behind rclone may take a whole file before it answers.
const PATIENCE: Duration = Duration::from_secs(600);
/// What broke is tried again after these.
const RETRIES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// Of an answer that says what is wrong, so much is read.
const WORDS: usize = 2000;

/// User and password, or key id and key.
pub(crate) struct Login {
    pub user: String,
    pub password: String,
}

impl Login {
    /// Two lines, or one with a colon after the user.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end();
        let (user, password) = text.split_once('\n').or_else(|| text.split_once(':'))?;
        let (user, password) = (user.trim_end_matches('\r').to_owned(), password.to_owned());
        (!user.is_empty() && !password.is_empty() && !password.contains('\n'))
            .then_some(Self { user, password })
    }
}

enum Wire {
    Rclone(Box<Rclone>),
    Server(Box<Server>),
}

/// A connection to a place of copies.
pub(crate) struct Remote {
    place: String,
    /// What all paths begin with; ends with a `/`.
    base: String,
    authorization: Option<HeaderValue>,
    pace: Option<Arc<Pace>>,
    wire: Wire,
    /// The last thing that did not succeed.
    broken: Mutex<Option<RemoteError>>,
    runtime: Runtime,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    size: u64,
}

impl Remote {
    /// Reaches nothing yet, but for what rclone does when it starts.
    pub(crate) fn connect(
        to: &CopyPlace,
        login: Option<&Login>,
        limit: Option<u64>,
    ) -> Result<Self, BackupError> {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.map_err(|e| BackupError::Worker { why: e.to_string() })?;
        let place = to.to_string();
        let (wire, base) = match to {
            CopyPlace::Rest { url, certificate } => {
                (Wire::Server(Box::new(Server::new(url, certificate.as_deref())?)), url.clone())
            }
            CopyPlace::Rclone { .. } | CopyPlace::S3 { .. } => {
                let rclone = runtime.block_on(Rclone::start(to, login))?;
                (Wire::Rclone(Box::new(rclone)), "http://localhost/".to_owned())
            }
            CopyPlace::Folder { path, .. } => {
                return Err(BackupError::CopyPlace { path: path.clone(), why: "it is a folder" });
            }
        };
        let authorization = match (&wire, login) {
            (Wire::Server(_), Some(login)) => Some(server::basic(login)?),
            _ => None,
        };
        let limited = limit.map(|limit| Arc::new(Pace::new(limit)));
        Ok(Self { place, base, authorization, pace: limited, wire, broken: Mutex::default(), runtime })
    }

    /// As it is shown to people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// What the other side did last that ended the work, to be told instead of what the library makes of it.
    pub(crate) fn broken(&self) -> Option<RemoteError> {
        self.broken.lock().ok().and_then(|broken| broken.clone())
    }

    pub(crate) fn exists(&self, name: &str) -> Result<bool, RemoteError> {
        let got = self.ask(&Method::HEAD, name, |r| r, &[]);
        Ok(self.noted(got.and_then(Answer::or_absent))?.is_some())
    }

    /// Names and sizes of the files in a folder of the repository.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, RemoteError> {
        let got = self.ask(&Method::GET, &format!("{folder}/"), |r| r.header(ACCEPT, LISTING), &[]);
        let Some(body) = self.noted(got.and_then(Answer::or_absent))? else { return Ok(Vec::new()) };
        let listed: Result<Option<Vec<Listed>>, _> = serde_json::from_slice(&body);
        let listed = listed.map_err(|e| RemoteError::Strange {
            place: self.place.clone(),
            why: format!("its list of {folder} cannot be understood ({e})"),
        });
        Ok(self.noted(listed)?.unwrap_or_default().into_iter().map(|l| (l.name, l.size)).collect())
    }

    /// The whole of a file, or `length` bytes of it.
    pub(crate) fn read(&self, name: &str, part: Option<(u32, u32)>) -> Result<Bytes, RemoteError> {
        let range = |request: http::request::Builder| match part {
            Some((from, length)) => {
                let last = u64::from(from) + u64::from(length).saturating_sub(1);
                request.header(RANGE, format!("bytes={from}-{last}"))
            }
            None => request,
        };
        let got = self.noted(self.ask(&Method::GET, name, range, &[]).and_then(Answer::or_failed))?;
        match part {
            Some((_, length)) if got.len() as u64 != u64::from(length) => {
                let why = format!("{name} has {} bytes where {length} were asked for", got.len());
                self.noted(Err(RemoteError::Strange { place: self.place.clone(), why }))
            }
            _ => Ok(got),
        }
    }

    pub(crate) fn write(&self, name: &str, parts: &[Bytes]) -> Result<(), RemoteError> {
        let sent = self.ask(&Method::POST, name, |r| r, parts);
        match sent {
            // A server that keeps what it has: it arrived before the connection broke.
            Ok(answer) if answer.again && answer.status == StatusCode::FORBIDDEN => {
                let whole = parts.iter().map(|p| p.len() as u64).sum::<u64>();
                let there = self.noted(self.ask(&Method::HEAD, name, |r| r, &[]))?;
                if there.length == Some(whole) { Ok(()) } else { self.noted(answer.or_failed()).map(drop) }
            }
            sent => self.noted(sent.and_then(Answer::or_failed)).map(drop),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), RemoteError> {
        let gone = self.ask(&Method::DELETE, name, |r| r, &[]);
        self.noted(gone.and_then(Answer::or_absent)).map(drop)
    }

    /// Makes the folders of a repository.
    pub(crate) fn create(&self) -> Result<(), RemoteError> {
        let made = self.ask(&Method::POST, "?create=true", |r| r, &[]);
        self.noted(made.and_then(Answer::or_failed)).map(drop)
    }

    fn noted<T>(&self, result: Result<T, RemoteError>) -> Result<T, RemoteError> {
        if let (Err(error), Ok(mut broken)) = (&result, self.broken.lock()) {
            *broken = Some(error.clone());
        }
        result
    }

    /// One request, tried again while the way to the other side is broken.
    fn ask(
        &self,
        method: &Method,
        name: &str,
        header: impl Fn(http::request::Builder) -> http::request::Builder,
        parts: &[Bytes],
    ) -> Result<Answer, RemoteError> {
        self.runtime.block_on(async {
            let mut retries = RETRIES.iter();
            let mut again = false;
            loop {
                let mut request =
                    header(Request::builder().method(method).uri(format!("{}{name}", self.base)));
                if let Some(authorization) = &self.authorization {
                    request = request.header(AUTHORIZATION, authorization);
                }
                let moved = Moved::default();
                let body = Upload::new(parts.to_vec(), self.pace.clone(), moved.clone());
                let request = request.body(body).map_err(|e| self.unreachable(e.to_string()))?;
                let answer = self.exchange(method, request, &moved).await;
                let broken = match &answer {
                    Ok(answer) => answer.status.is_server_error(),
                    Err(error) => error.is_away(),
                };
                match retries.next().filter(|_| broken) {
                    Some(delay) => pace::wait(*delay).await,
                    None => return answer.map(|a| Answer { again, ..a }),
                }
                again = true;
            }
        })
    }

    async fn exchange(
        &self,
        method: &Method,
        request: Request<Upload>,
        moved: &Moved,
    ) -> Result<Answer, RemoteError> {
        let response = match &self.wire {
            Wire::Rclone(rclone) => moved.patiently(PATIENCE, rclone.send(request)).await,
            Wire::Server(server) => moved.patiently(PATIENCE, server.send(request)).await,
        };
        let response = response.unwrap_or_else(|| Err(self.silent()))?;
        let status = response.status();
        let length = response.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
        let most = if status.is_success() { usize::MAX } else { WORDS };
        let body = if method == Method::HEAD { Bytes::new() } else { self.body(response, most).await? };
        let words = match &self.wire {
            Wire::Rclone(rclone) if !status.is_success() => rclone.said(),
            _ if status.is_success() => None,
            _ => Some(String::from_utf8_lossy(&body).trim().to_owned()).filter(|w| !w.is_empty()),
        };
        Ok(Answer { place: self.place.clone(), status, length, body, words, again: false })
    }

    async fn body(&self, response: Response<Incoming>, most: usize) -> Result<Bytes, RemoteError> {
        let mut body = response.into_body();
        let mut whole = Vec::new();
        while whole.len() < most {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.map_err(|_| self.silent())?;
            match frame {
                Some(Ok(frame)) => whole.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d)),
                Some(Err(e)) => return Err(self.unreachable(error::deepest(&e))),
                None => break,
            }
        }
        Ok(whole.into())
    }

    fn silent(&self) -> RemoteError {
        self.unreachable(format!("nothing moved for {} minutes", PATIENCE.as_secs() / 60))
    }

    fn unreachable(&self, why: String) -> RemoteError {
        RemoteError::Unreachable { place: self.place.clone(), why }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Wire::Rclone(rclone) = &mut self.wire {
            self.runtime.block_on(rclone.end());
        }
    }
}

struct Answer {
    place: String,
    status: StatusCode,
    length: Option<u64>,
    body: Bytes,
    /// What the other side says is wrong.
    words: Option<String>,
    /// Whether it was asked before and no answer came.
    again: bool,
}

impl Answer {
    fn or_failed(self) -> Result<Bytes, RemoteError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(error::of_answer(self.place, self.status, self.words))
    }

    /// `None` is that it does not exist.
    fn or_absent(self) -> Result<Option<Bytes>, RemoteError> {
        if self.status == StatusCode::NOT_FOUND { Ok(None) } else { self.or_failed().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_two_lines_or_one_with_a_colon() {
        let parsed = |text| Login::parse(text).map(|l| (l.user, l.password));
        let ada = Some(("ada".to_owned(), "hunter:22".to_owned()));
        assert_eq!(parsed("ada\nhunter:22\n"), ada);
        assert_eq!(parsed("ada\r\nhunter:22\r\n"), ada);
        assert_eq!(parsed("ada:hunter:22"), ada);
        for wrong in ["", "ada", "ada\n", ":x", "\nx", "a\nb\nc"] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }
}
