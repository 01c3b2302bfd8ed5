//! The command line of `brain`.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use axum::http::HeaderValue;
use clap::{Args, Parser, Subcommand};
use steady_brain::embedding::EmbedConfig;
use steady_brain::is_local;
use steady_brain::logging;
use steady_brain::server::{self, Ended, ServeConfig, ServeError};
use steady_brain::sync::{self, MarkerWriter, SyncConfig};
use steady_brain::token::{Token, TokenError};
use tokio::runtime::{Builder, Runtime};
use tracing::error;
use tracing_subscriber::filter::LevelFilter;

const FAILED: u8 = 1;
/// What uvicorn exits with, too: supervisors of either know it.
const PORT_TAKEN: u8 = 3;
/// Cut short by a second signal.
const HURRIED: u8 = 130;

/// A small second brain over a folder of Markdown notes.
#[derive(Parser)]
#[command(name = "brain", version)]
struct Cli {
    /// How much to log on stderr: error, warn, info, debug.
    #[arg(long, env = "BRAIN_LOG", default_value = "info", global = true)]
    log: LevelFilter,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the notes over HTTP until SIGTERM or Ctrl-C.
    Serve(Serve),
    /// The daily job: bring the index up to date, by the running server or, without one, directly.
    ///
    /// It says in its log, line by line as JSON, what became of the captures since the last sync (`inbox_complete`), of
    /// changed notes (`reindex_complete`) and of their titles, tags and links (`extraction_complete`). Notes are never
    /// moved or changed. When some could not be taken in, the exit code is 0 and `.sync_failed` says `partial`.
    Sync(Sync),
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    embedding: Embedding,
    #[command(flatten)]
    secret: Secret,
    /// An origin on this machine whose pages may read the answers; may be given more than once.
    #[arg(long, env = "BRAIN_CORS_ORIGINS", value_name = "URL", value_delimiter = ',', value_parser = origin,
        default_values = ["http://localhost:7860", "http://127.0.0.1:7860"])]
    cors_origin: Vec<HeaderValue>,
}

#[derive(Args)]
struct Sync {
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    secret: Secret,
    /// The running server [default: from --host and --port].
    #[arg(long)]
    url: Option<String>,
}

#[derive(Args)]
struct Folders {
    /// The folder of Markdown notes.
    #[arg(long, env = "BRAIN_VAULT", value_name = "DIR", value_parser = absolute_path)]
    vault: PathBuf,
    /// Where the stores and markers live; made if missing.
    #[arg(long, env = "BRAIN_DATA", value_name = "DIR", value_parser = absolute_path)]
    data: PathBuf,
}

#[derive(Args)]
struct Address {
    /// The loopback address to serve on.
    #[arg(long, env = "BRAIN_HOST", default_value = "127.0.0.1", value_parser = loopback)]
    host: IpAddr,
    /// The port; 0 takes any free one.
    #[arg(long, env = "BRAIN_PORT", default_value_t = 8741)]
    port: u16,
}

#[derive(Args)]
struct Secret {
    /// A file with the word that requests have to bring as a bearer token; only you may be able to read it.
    #[arg(long, env = "BRAIN_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Secret {
    /// Empty is unset, as in a file of variables.
    fn read(&self) -> Result<Option<Token>, TokenError> {
        self.token_file.as_deref().filter(|path| !path.as_os_str().is_empty()).map(Token::read).transpose()
    }
}

#[derive(Args)]
struct Embedding {
    /// An embedding service with Ollama's API, e.g. `http://127.0.0.1:11434`; without one, notes are found by their
    /// words only.
    #[arg(long, env = "BRAIN_EMBED_URL", value_name = "URL")]
    embed_url: Option<String>,
    /// The model it uses.
    #[arg(long, env = "BRAIN_EMBED_MODEL", value_name = "NAME", default_value = "nomic-embed-text")]
    embed_model: String,
}

/// A path that stays right whatever the working directory becomes.
fn absolute_path(text: &str) -> Result<PathBuf, io::Error> {
    absolute(Path::new(text))
}

fn loopback(text: &str) -> Result<IpAddr, String> {
    let host = match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text.parse::<IpAddr>().map_err(|e| e.to_string()),
    }?;
    if host.is_loopback() {
        return Ok(host);
    }
    Err("brain has no password and serves the loopback only (127.0.0.1 or ::1)".to_owned())
}

/// `scheme://host[:port]` of this machine, as browsers send it: no path, no `*`.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let bare = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_origin = bare.is_some_and(|rest| !rest.contains(['/', '*', '@', '?', '#']));
    if !is_origin || !is_local(text) {
        return Err("not an origin of this machine, such as http://localhost:7860".to_owned());
    }
    HeaderValue::from_str(text).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init(cli.log);
    // Two workers answer; SQLite and files are on blocking threads, few, so that memory stays small.
    let runtime = Builder::new_multi_thread().worker_threads(2).max_blocking_threads(8).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            error!(target: "brain", "cannot start the runtime: {e}; raise the limits of threads and open files");
            return ExitCode::from(FAILED);
        }
    };
    let code = match cli.command {
        Command::Serve(asked) => serve(&runtime, asked),
        Command::Sync(asked) => run_sync(&runtime, asked),
    };
    // Work still on a blocking thread had its time; its transaction is rolled back by the next opener.
    runtime.shutdown_background();
    code
}

fn serve(runtime: &Runtime, asked: Serve) -> ExitCode {
    let Serve {
        folders: Folders { vault, data }, address: Address { host, port }, embedding, secret, ..
    } = asked;
    let token = match secret.read() {
        Ok(token) => token,
        Err(e) => return refused(&e),
    };
    let model = embedding.embed_model;
    // Empty is unset, as in a file of variables.
    let embed = embedding.embed_url.filter(|url| !url.is_empty()).map(|url| EmbedConfig { url, model });
    let config = ServeConfig { vault, data, host, port, embed, origins: asked.cors_origin, token };
    match runtime.block_on(server::serve(config, announce)) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Hurried) => ExitCode::from(HURRIED),
        Err(e) => {
            error!(target: "brain", "{e}");
            ExitCode::from(if matches!(e, ServeError::AddressInUse { .. }) { PORT_TAKEN } else { FAILED })
        }
    }
}

fn refused(error: &TokenError) -> ExitCode {
    error!(target: "brain", "{error}");
    ExitCode::from(FAILED)
}

fn announce(address: SocketAddr) {
    let mut out = io::stdout().lock();
    // Whoever started us may have closed stdout: no reason not to serve.
    let _ = writeln!(out, "brain listening on {address}").and_then(|()| out.flush());
}

fn run_sync(runtime: &Runtime, asked: Sync) -> ExitCode {
    let Sync { folders: Folders { vault, data }, address: Address { host, port }, secret, url } = asked;
    let token = match secret.read() {
        Ok(token) => token,
        Err(e) => return refused(&e),
    };
    let url = url.unwrap_or_else(|| format!("http://{}", SocketAddr::new(host, port)));
    let under_steady = std::env::var_os("STEADY_JOB").is_some_and(|job| !job.is_empty());
    let markers = if under_steady { MarkerWriter::Steady } else { MarkerWriter::Brain };
    let config = SyncConfig { vault, data, url, token, markers };
    // The failure is in the log as a milestone already.
    match runtime.block_on(sync::sync(config)) {
        // What failed in part is in its milestones and its marker.
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}
