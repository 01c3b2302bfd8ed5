//! The life of `brain serve`: bind, open, serve, drain, end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use steady_disk::{DiskError, create_private_dir};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::embedding::{EmbedConfig, EmbedError, Embedder};
use crate::indexing::Indexing;
use crate::meaning;
use crate::metrics::Metrics;
use crate::panics;
use crate::rest::{self, Rest};
use crate::routes::{self, App};
use crate::stores::Stores;
use crate::stores::connection::StoreError;
use crate::token::Token;
use crate::vault::Vault;

/// What is in flight at SIGTERM may take this long.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the stores may take to close after that.
const CLOSE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct ServeConfig {
    pub vault: PathBuf,
    pub data: PathBuf,
    /// A loopback address.
    pub host: IpAddr,
    /// 0 takes any free port; the listening line tells which.
    pub port: u16,
    /// Without one, notes are found by their words only.
    pub embed: Option<EmbedConfig>,
    /// Pages of these origins may read the answers.
    pub origins: Vec<HeaderValue>,
    /// Asked of every request but for health and metrics.
    pub token: Option<Token>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "cannot listen on {address}: the address is already in use; stop the program which holds it, or choose another --port (BRAIN_PORT)"
    )]
    AddressInUse { address: SocketAddr },
    #[error("cannot listen on {address}: {source}; choose another --host or --port")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot prepare the data directory: {0}; correct --data (BRAIN_DATA)")]
    Data(#[from] DiskError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error("the listener on {address} ended by itself; this is a fault of brain, start it again")]
    ListenerEnded { address: SocketAddr },
    #[error("cannot watch for signals: {0}; raise the limit of open files")]
    Signals(io::Error),
}

/// How a served life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was answered, or had its five seconds.
    Drained,
    /// A second signal asked to go at once.
    Hurried,
}

/// Serves until SIGTERM or SIGINT. `announce` is called when connections are accepted.
pub async fn serve(config: ServeConfig, announce: impl FnOnce(SocketAddr)) -> Result<Ended, ServeError> {
    let address = SocketAddr::new(config.host, config.port);
    // First of all: on a taken port nothing may be opened or said.
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse { address },
        _ => ServeError::Listen { address, source },
    })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let mut signals = Signals::watch().map_err(ServeError::Signals)?;
    let embedder = config.embed.as_ref().map(Embedder::new).transpose()?.map(Arc::new);
    create_private_dir(&config.data)?;
    panics::report_to(&config.data);
    let stores = Stores::open(&config.data)?;
    let vault = Vault::new(config.vault);
    info!(target: "brain.server", "vault {}, data {}", vault.root().display(), config.data.display());
    if let Err(e) = vault.probe() {
        error!(target: "brain.server", "{e}; until then every data route answers 503");
    }

    let indexing = Indexing::new(vault.clone(), config.data.clone(), stores.clone());
    let mut background = JoinSet::new();
    background.spawn(indexing.clone().keep_current());
    if let Some(embedder) = &embedder {
        background.spawn(meaning::keep_embedded(Arc::clone(embedder), indexing.clone(), stores.clone()));
    }
    let rest = Rest::default();
    background.spawn(rest.clone().keep(rest::QUIET, steady_footprint::give_back));
    let router = routes::router(
        App {
            vault,
            data: config.data,
            stores: stores.clone(),
            indexing,
            embedder,
            metrics: Metrics::default(),
            rest,
        },
        config.origins,
        config.token,
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        // A dropped sender means the end as well.
        let _ = stopped.await;
    });
    let mut server = tokio::spawn(async move { server.await });
    announce(address);

    let name = tokio::select! {
        name = signals.next() => name,
        _ = &mut server => return Err(ServeError::ListenerEnded { address }),
    };
    info!(target: "brain.server", "{name}: finishing what is in flight, {} s at most", DRAIN.as_secs());
    let _ = stop.send(());
    tokio::select! {
        drained = tokio::time::timeout(DRAIN, &mut server) => {
            match drained {
                Ok(_) => info!(target: "brain.server", "stopped"),
                Err(_) => {
                    warn!(target: "brain.server", "stopped; requests still open after {} s were cut off", DRAIN.as_secs());
                }
            }
            background.shutdown().await;
            // What still writes after the deadline is SQLite's to recover at the next start.
            if tokio::time::timeout(CLOSE, stores.close()).await.is_err() {
                warn!(target: "brain.server", "the stores were still in use after {} s", CLOSE.as_secs());
            }
            Ok(Ended::Drained)
        }
        name = signals.next() => {
            warn!(target: "brain.server", "{name} again: stopped at once");
            Ok(Ended::Hurried)
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
