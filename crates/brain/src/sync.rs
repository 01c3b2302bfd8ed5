//! `brain sync`: the daily job. Its milestones are JSON log lines, its outcome is a marker.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;
use steady_disk::{DiskError, create_private_dir};
use tracing::{error, info};

use crate::clock::{self, Stopwatch};
use crate::indexer::{self, IndexError, IndexReport, Run, Scope};
use crate::markers::{self, Marker};
use crate::stores::outbox;
use crate::token::Token;
use crate::vault::{Vault, VaultError};

const INDEX_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct SyncConfig {
    pub vault: PathBuf,
    pub data: PathBuf,
    /// The running server, e.g. `http://127.0.0.1:8741`.
    pub url: String,
    /// The server's.
    pub token: Option<Token>,
    /// Who writes `.sync_completed` and `.sync_failed`.
    pub markers: MarkerWriter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerWriter {
    Brain,
    /// Run as a job of Steady, which writes them when it knows how the job ended.
    Steady,
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Data(#[from] DiskError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the server at {url} did not finish indexing within {} s; look at its log", INDEX_TIMEOUT.as_secs())]
    Timeout { url: String },
    #[error("the server at {url} refused to index ({status}): {detail}")]
    Refused { url: String, status: u16, detail: String },
    #[error("the request to {url} broke off: {reason}; look at the server's log")]
    Broken { url: String, reason: String },
    #[error(
        "{url} is answered by another program, not by brain; correct --url, or BRAIN_HOST and BRAIN_PORT"
    )]
    Stranger { url: String },
    #[error("the server at {url} serves vault {} and data {}, this job was given vault {} and data {}; make them agree",
        served.0.display(), served.1.display(), given.0.display(), given.1.display())]
    OtherPaths { url: String, served: (PathBuf, PathBuf), given: (PathBuf, PathBuf) },
    #[error("the indexing was cut off by the end of the program; run it again")]
    Interrupted,
}

#[derive(Deserialize)]
struct Identity {
    name: String,
}

#[derive(Deserialize)]
struct Detail {
    detail: String,
}

/// How a run that came to its end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    Whole,
    /// So many captures and notes could not be taken in; the others were.
    Partly {
        failed: u64,
    },
}

/// Runs the job once, with its milestones and its marker. A part that failed is no success: the marker says so, too.
pub async fn sync(config: SyncConfig) -> Result<Synced, SyncError> {
    let watch = Stopwatch::start();
    let result = steps(&config).await.and_then(|failed| {
        let synced = if failed == 0 { Synced::Whole } else { Synced::Partly { failed } };
        mark(&config, synced)?;
        Ok(synced)
    });
    match result {
        Ok(synced) => {
            let failed = if let Synced::Partly { failed } = synced { failed } else { 0 };
            milestone(&json!({
                "event": "sync_complete", "command": "all", "failed": failed, "duration_ms": watch.millis()
            }));
            Ok(synced)
        }
        Err(e) => {
            error!(target: "brain.sync", "{}", json!({"event": "sync_failed", "error": e.to_string()}));
            if config.markers == MarkerWriter::Brain {
                create_private_dir(&config.data)?;
                markers::write_failed(&config.data, &clock::local_now(), &e.to_string())?;
            }
            Err(e)
        }
    }
}

/// Returns how much failed.
async fn steps(config: &SyncConfig) -> Result<u64, SyncError> {
    Vault::new(config.vault.clone()).probe()?;
    let watch = Stopwatch::start();
    let inbox = inbox(config).await;
    milestone(&json!({
        "event": "inbox_complete", "processed": inbox.processed, "failed": inbox.failed, "duration_ms": watch.millis()
    }));
    let watch = Stopwatch::start();
    let report = reindex(config).await?;
    let (files, skipped, took) = (report.notes_processed, report.notes_skipped, watch.millis());
    milestone(&json!({
        "event": "reindex_complete", "summary": report.message, "files": files, "skipped": skipped, "duration_ms": took
    }));
    // One pass over the notes does both.
    let summary = if files + skipped == 0 {
        "All notes up to date".to_owned()
    } else {
        format!("Extracted {files}, failed {skipped}, skipped 0")
    };
    milestone(&json!({
        "event": "extraction_complete", "summary": summary, "extracted": files, "failed": skipped, "duration_ms": took
    }));
    Ok(inbox.failed + u64::try_from(skipped).unwrap_or(u64::MAX))
}

/// Captures since the last good sync.
#[derive(Debug, Default)]
struct Inbox {
    processed: u64,
    failed: u64,
}

/// Captures go to the index by themselves while brain serves: this only says what became of them.
async fn inbox(config: &SyncConfig) -> Inbox {
    let data = config.data.clone();
    let look = tokio::task::spawn_blocking(move || {
        let last = match markers::read(&data.join(markers::COMPLETED), &TimeZone::system()) {
            Marker::Written { at, .. } => at,
            Marker::Missing | Marker::Unreadable { .. } => Timestamp::UNIX_EPOCH,
        };
        let outbox = outbox::SPEC.look(&data).ok()?;
        let processed = outbox::processed_since(&outbox, last).ok()?;
        Some(Inbox { processed, failed: outbox::status(&outbox, clock::now()).ok()?.failed })
    });
    // Without a store nothing was ever captured here; one that is damaged is `/health`'s to tell.
    look.await.ok().flatten().unwrap_or_default()
}

fn milestone(event: &serde_json::Value) {
    info!(target: "brain.sync", "{event}");
}

fn mark(config: &SyncConfig, synced: Synced) -> Result<(), DiskError> {
    let now = clock::local_now();
    match (config.markers, synced) {
        (MarkerWriter::Steady, _) => Ok(()),
        (MarkerWriter::Brain, Synced::Whole) => markers::write_completed(&config.data, &now),
        (MarkerWriter::Brain, Synced::Partly { failed }) => {
            let why = format!(
                "partial: {failed} of the captures and notes could not be taken in; the log names them"
            );
            markers::write_failed(&config.data, &now, &why)
        }
    }
}

async fn reindex(config: &SyncConfig) -> Result<IndexReport, SyncError> {
    create_private_dir(&config.data)?;
    let url = config.url.trim_end_matches('/');
    match ask_server(url, config.token.as_ref()).await? {
        Some(report) => agrees(url, config, report),
        None => {
            info!(target: "brain.sync", "no server at {url}; indexing directly");
            let config = config.clone();
            tokio::task::spawn_blocking(move || {
                let vault = Vault::new(config.vault);
                let now = clock::now();
                let run =
                    Run { vault: &vault, data: &config.data, scope: Scope::Changes, what: "brain sync", now };
                indexer::run_alone(&run)
            })
            .await
            .map_err(|_| SyncError::Interrupted)?
            .map_err(SyncError::from)
        }
    }
}

/// `None` when nothing listens there.
async fn ask_server(url: &str, token: Option<&Token>) -> Result<Option<IndexReport>, SyncError> {
    let broken = |e: reqwest::Error| SyncError::Broken { url: url.to_owned(), reason: root_cause(&e) };
    // A proxy from the environment has no business with the loopback.
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(broken)?;
    // Nothing is posted to a stranger which happens to hold the port.
    match client.get(format!("{url}/")).timeout(CONNECT_TIMEOUT).send().await {
        Err(e) if e.is_connect() => return Ok(None),
        Err(e) => return Err(broken(e)),
        Ok(answer) => match answer.json::<Identity>().await {
            Ok(identity) if identity.name == "brain" => {}
            _ => return Err(SyncError::Stranger { url: url.to_owned() }),
        },
    }
    let mut request = client.post(format!("{url}/api/v1/index")).timeout(INDEX_TIMEOUT);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token.header());
    }
    let answer = request
        .send()
        .await
        .map_err(|e| if e.is_timeout() { SyncError::Timeout { url: url.to_owned() } } else { broken(e) })?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map(Some).map_err(broken);
    }
    let detail = answer.json::<Detail>().await.map_or_else(|e| e.to_string(), |d| d.detail);
    Err(SyncError::Refused { url: url.to_owned(), status: status.as_u16(), detail })
}

/// The vault of the service and that of its job come from two places: when they differ, the job would
/// report on notes that nobody asked about.
fn agrees(url: &str, config: &SyncConfig, report: IndexReport) -> Result<IndexReport, SyncError> {
    if same_place(&report.vault, &config.vault) && same_place(&report.data, &config.data) {
        return Ok(report);
    }
    Err(SyncError::OtherPaths {
        url: url.to_owned(),
        served: (report.vault, report.data),
        given: (config.vault.clone(), config.data.clone()),
    })
}

fn same_place(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
