//! The two doors: the 0600 Unix socket, and loopback TCP.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use crate::api::{self, Gate};

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on the socket {}: {source}{}", path.display(), too_long(path))]
pub struct ListenError {
    path: PathBuf,
    source: io::Error,
}

/// The kernel's `sun_path` holds 104 bytes on macOS and 108 on Linux, with the final NUL.
const SOCKET_PATH_MAX: usize = 103;

fn too_long(path: &Path) -> &'static str {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        "; the path is longer than a Unix socket may have, choose a shorter --home"
    } else {
        ""
    }
}

/// Binds the socket. The caller holds the agent's lock, so a file that lies there is a dead agent's.
pub fn socket(path: &Path) -> Result<UnixListener, ListenError> {
    let at = |source| ListenError { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(e)),
        _ => {}
    }
    // The home is 0700: nobody gets in between bind and chmod.
    let listener = UnixListener::bind(path).map_err(at)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(at)?;
    Ok(listener)
}

pub struct Loopback {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// A taken port costs the browser's panel, not the agent.
pub async fn loopback(address: SocketAddr) -> Option<Loopback> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok::<_, io::Error>(Loopback { listener, address })
    };
    match bound.await {
        Ok(loopback) => Some(loopback),
        Err(e) => {
            tracing::warn!(
                "no panel for browsers: cannot listen on {address}: {e}; change agent.listen or free the port"
            );
            None
        }
    }
}

pub fn serve_socket(listener: UnixListener, router: Router) {
    tokio::spawn(async move {
        if let Err(e) = axum::serve(listener, api::for_socket(router)).await {
            tracing::error!("the socket broke off: {e}");
        }
    });
}

pub fn serve_loopback(loopback: Loopback, router: Router, gate: Gate) {
    tokio::spawn(async move {
        if let Err(e) = axum::serve(loopback.listener, api::for_loopback(router, gate)).await {
            tracing::error!("the loopback listener broke off: {e}");
        }
    });
}
