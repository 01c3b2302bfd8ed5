//! A server that speaks restic's REST, over TLS or, on this machine, without.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::Login;
use super::error::{RemoteError, deepest};
use super::upload::Upload;
use crate::error::BackupError;

const CONNECTING: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(super) struct Server {
    place: String,
    client: Client<HttpsConnector<HttpConnector>, Upload>,
}

impl Server {
    /// `certificate` is trusted beside those that the system trusts.
    pub(super) fn new(url: &str, certificate: Option<&Path>) -> Result<Self, BackupError> {
        let place = format!("rest:{url}");
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECTING));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_nodelay(true);
        let tls = if url.starts_with("https://") { trusting(certificate)? } else { trusting_nobody()? };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { place, client })
    }

    pub(super) async fn send(&self, request: Request<Upload>) -> Result<Response<Incoming>, RemoteError> {
        self.client.request(request).await.map_err(|error| {
            let (place, why) = (self.place.clone(), deepest(&error));
            match of_tls(&error) {
                Some(why) => RemoteError::Certificate { place, why },
                None => RemoteError::Unreachable { place, why },
            }
        })
    }
}

/// The header of a login, which shows itself to nobody.
pub(super) fn basic(login: &Login) -> Result<HeaderValue, BackupError> {
    let said = format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password)));
    let mut header = HeaderValue::try_from(said).map_err(|e| BackupError::Worker { why: e.to_string() })?;
    header.set_sensitive(true);
    Ok(header)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn trusting(certificate: Option<&Path>) -> Result<ClientConfig, BackupError> {
    let own = certificate.map(read).transpose()?.unwrap_or_default();
    let tls = |e: rustls::Error| BackupError::Worker { why: format!("TLS cannot be used: {e}") };
    let verifier = Verifier::new_with_extra_roots(own, provider()).map_err(tls)?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(tls)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// For what is not encrypted: the system's certificates need not be read.
fn trusting_nobody() -> Result<ClientConfig, BackupError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| BackupError::Worker { why: format!("TLS cannot be used: {e}") })?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, RemoteError> {
    let failed = |why: String| RemoteError::CertificateFile { path: path.to_owned(), why };
    let found = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
    if found.is_empty() { Err(failed("there is none in it".to_owned())) } else { Ok(found) }
}

/// Why TLS did not come about.
fn of_tls(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        // What an `io::Error` holds is not in the chain, but what that has as its source.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
