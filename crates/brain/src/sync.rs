//! `brain sync`: the daily job. Its milestones are JSON log lines, its outcome is a marker.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use steady_disk::{DiskError, create_private_dir};
use tracing::{error, info};

use crate::clock::{self, Stopwatch};
use crate::indexer::{self, IndexError, IndexReport, Run, Scope};
use crate::markers;
use crate::vault::{Vault, VaultError};

const INDEX_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct SyncConfig {
    pub vault: PathBuf,
    pub data: PathBuf,
    /// The running server, e.g. `http://127.0.0.1:8741`.
    pub url: String,
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

/// Runs the job once, with its milestones and its marker.
pub async fn sync(config: SyncConfig) -> Result<(), SyncError> {
    let watch = Stopwatch::start();
    let result = reindex(&config).await;
    if let Ok(report) = &result {
        let (files, skipped) = (report.notes_processed, report.notes_skipped);
        milestone(
            &json!({"event": "reindex_complete", "files": files, "skipped": skipped, "duration_ms": watch.millis()}),
        );
    }
    let result = result.map(|_| ()).and_then(|()| mark_completed(&config));
    match result {
        Ok(()) => {
            milestone(&json!({"event": "sync_complete", "command": "all", "duration_ms": watch.millis()}));
            Ok(())
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

fn milestone(event: &serde_json::Value) {
    info!(target: "brain.sync", "{event}");
}

fn mark_completed(config: &SyncConfig) -> Result<(), SyncError> {
    if config.markers == MarkerWriter::Brain {
        markers::write_completed(&config.data, &clock::local_now())?;
    }
    Ok(())
}

async fn reindex(config: &SyncConfig) -> Result<IndexReport, SyncError> {
    Vault::new(config.vault.clone()).probe()?;
    create_private_dir(&config.data)?;
    let url = config.url.trim_end_matches('/');
    match ask_server(url).await? {
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
async fn ask_server(url: &str) -> Result<Option<IndexReport>, SyncError> {
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
    let answer = client.post(format!("{url}/api/v1/index")).timeout(INDEX_TIMEOUT).send().await;
    let answer = answer
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
