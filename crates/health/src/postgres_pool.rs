//! The hardened way to PostgreSQL: one connection per check, kept and replaced by a pool.
//!
//! A pool that trusts its connections answers with one error per stale connection after a server's restart, and
//! waits for long where nobody listens. This one tries a connection before it hands it out, opens a new one in its
//! place, and says at once why that failed. A connection whose look was given up is closed, never handed out again.

use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use steady_launch::{EnvError, Secret, environment};
use steady_model::config::{Env, PostgresServer, SecretRef};
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use crate::probe::one_line;
use crate::worker::Aside;

const RECYCLE: Duration = Duration::from_secs(3600);
const ACQUIRE: Duration = Duration::from_secs(30);
/// A kept connection that does not answer within this is half open, and another takes its place.
const TRIAL: Duration = Duration::from_secs(3);
/// A server that accepts and then says nothing keeps an attempt this long.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// By statement and not by start-up options, which poolers like `PgBouncer` refuse.
const HARDENING: &str = "SET statement_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '60s'; \
     SET default_transaction_read_only = on";
const DEFAULT_PORT: u16 = 5432;
const SHOWN: usize = 200;

/// Why there is no answer. Never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("the url of the server cannot be used: {0}")]
    Url(tokio_postgres::Error),
    #[error(transparent)]
    Password(#[from] EnvError),
    #[error("the password could not be looked up: {0}")]
    LookUp(std::io::Error),
    #[error("{place}: {}", told(source))]
    Connect { place: String, source: tokio_postgres::Error },
    #[error("{place} accepts connections but does not answer within {} s", HANDSHAKE.as_secs())]
    Silent { place: String },
    #[error("{}", told(.0))]
    Server(#[from] tokio_postgres::Error),
    #[error("no connection within {} s", ACQUIRE.as_secs())]
    Exhausted,
    #[error("the query gives no number, but {0}")]
    NoNumber(String),
}

impl PostgresError {
    /// Not reachable over a connection that was good before: a fresh one may do.
    fn is_stale(&self) -> bool {
        let Self::Server(error) = self else { return false };
        error.is_closed()
            || error.code().is_some_and(|code| {
                [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT]
                    .contains(code)
            })
    }

    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) | Self::Connect { source: error, .. } => error.code(),
            _ => None,
        }
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        return match error.to_string().starts_with("error connecting") {
            true if cause.contains("refused") => "connection refused: nothing listens there".to_owned(),
            true => format!("it cannot be reached: {}", one_line(&cause, SHOWN)),
            false => one_line(&format!("{error}"), SHOWN),
        };
    };
    let message = one_line(db.message(), SHOWN);
    match db.code() {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            format!("authentication failed: {message}; correct `password` or the user in `url`")
        }
        &SqlState::TOO_MANY_CONNECTIONS => format!("too many connections: {message}"),
        // Recovery after a crash, a start and a shutdown have one code.
        &SqlState::CANNOT_CONNECT_NOW => format!("not accepting connections yet: {message}"),
        &SqlState::QUERY_CANCELED => format!("it took longer than 30 s: {message}"),
        code => format!("{message} ({})", code.code()),
    }
}

/// One server as one check sees it.
pub struct Server {
    pool: Pool<Door>,
}

impl Server {
    /// Connects to nothing yet.
    #[expect(clippy::unreachable, reason = "the builder fails for want of a runtime only")]
    pub fn new(server: PostgresServer) -> Self {
        let pool = Pool::builder(Door { server })
            .max_size(1)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(ACQUIRE))
            .recycle_timeout(Some(TRIAL))
            .build();
        Self { pool: pool.unwrap_or_else(|e| unreachable!("{e}")) }
    }

    /// Runs `ask` on a connection, and once more on a fresh one when the server ended it meanwhile.
    pub async fn ask<T, F>(&self, ask: impl Fn(Asking) -> F) -> Result<T, PostgresError>
    where
        F: Future<Output = Result<T, PostgresError>>,
    {
        match ask(self.connection().await?).await {
            Err(error) if error.is_stale() => ask(self.connection().await?).await,
            answer => answer,
        }
    }

    async fn connection(&self) -> Result<Asking, PostgresError> {
        let session = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            _ => PostgresError::Exhausted,
        })?;
        Ok(Asking { client: Arc::clone(&session.client), session: Some(session) })
    }
}

/// A connection while it is asked. [`Asking::done`] gives it back. A look that was given up does not come to that:
/// its connection, on which an answer may still be under way, is closed, and the server is told to stop working on
/// the answer.
pub struct Asking {
    client: Arc<Client>,
    session: Option<Object<Door>>,
}

impl Asking {
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn done(mut self) {
        self.session.take();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let cancel = self.client.cancel_token();
        drop(Object::take(session));
        // Without a runtime the whole process is about to end.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { tokio::time::timeout(HANDSHAKE, cancel.cancel_query(NoTls)).await });
        }
    }
}

pub struct Session {
    client: Arc<Client>,
    wire: AbortHandle,
}

impl Drop for Session {
    /// The wire would wait for answers that a stopped server owes.
    fn drop(&mut self) {
        self.wire.abort();
    }
}

struct Door {
    server: PostgresServer,
}

impl Manager for Door {
    type Type = Session;
    type Error = PostgresError;

    /// The password is looked up for each connection, so a changed one is found by the next look.
    async fn create(&self) -> Result<Session, PostgresError> {
        let mut config: Config = self.server.url.parse().map_err(PostgresError::Url)?;
        if let Some(place) = &self.server.password {
            config.password(password(place).await?.expose());
        }
        config.application_name("steady").connect_timeout(HANDSHAKE).keepalives_idle(ACQUIRE);
        let place = place(&config);
        let entering = async {
            let (client, wire) = config
                .connect(NoTls)
                .await
                .map_err(|source| PostgresError::Connect { place: place.clone(), source })?;
            let wire = tokio::spawn(async move {
                // Its end is seen by the client.
                let _ = wire.await;
            });
            let session = Session { client: Arc::new(client), wire: wire.abort_handle() };
            session.client.batch_execute(HARDENING).await?;
            Ok(session)
        };
        tokio::time::timeout(HANDSHAKE, entering)
            .await
            .unwrap_or_else(|_| Err(PostgresError::Silent { place: place.clone() }))
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<PostgresError> {
        if session.client.is_closed() || metrics.age() > RECYCLE {
            return Err(RecycleError::message("closed, or old"));
        }
        session.client.simple_query("").await.map_err(PostgresError::from)?;
        Ok(())
    }
}

/// `127.0.0.1:5432`, or the directory of its socket.
fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let place = |(number, host): (usize, &Host)| {
        let port = ports.get(number).or(ports.first()).unwrap_or(&DEFAULT_PORT);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(dir) => format!("{}, port {port}", dir.display()),
        }
    };
    config.get_hosts().iter().enumerate().map(place).collect::<Vec<_>>().join(" or ")
}

async fn password(place: &SecretRef) -> Result<Secret, PostgresError> {
    const NAME: &str = "STEADY_CHECK_PASSWORD";
    let wanted = Env { secrets: [(NAME.to_owned(), place.clone())].into(), ..Env::default() };
    let look_up = move || {
        let found = environment(&wanted, [])?;
        Ok(Secret::new(found.get(NAME).map(OsStr::as_bytes).unwrap_or_default()))
    };
    Aside::new().run(look_up).await.map_err(PostgresError::LookUp)?
}
