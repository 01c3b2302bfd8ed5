//! Who may talk to the agent over loopback TCP.
//!
//! Any program and any web page of this machine can reach loopback. So: the Host must be a loopback name
//! with our port (DNS rebinding), a write's Origin must be our own (cross-site requests), and everything
//! but the open health routes and the panel's static files needs the token, as a bearer or as the cookie
//! that `/login` sets.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::Refusal;

/// `/health` under the name of its first users; as open as that is.
const HEALTH_ALIAS: &str = "/api/v1/health";
const COOKIE: &str = "steady_session";

/// The token, and the port that requests must name. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    token: Arc<str>,
    port: u16,
}

impl Gate {
    pub fn new(token: &str, port: u16) -> Self {
        Self { token: token.into(), port }
    }

    fn is_ours(&self, host: &str) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host == format!("{name}:{}", self.port))
    }

    fn matches(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.token.as_bytes()).into()
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let bearer = text(header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
        let cookies = text(header::COOKIE).unwrap_or_default();
        let cookie = cookies.split(';').find_map(|c| c.trim().strip_prefix(COOKIE)?.strip_prefix('='));
        bearer.or(cookie).is_some_and(|given| self.matches(given))
    }

    /// What is wrong with a request, if anything.
    fn objection(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Refusal> {
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        if !self.is_ours(host) {
            return Some(Refusal::forbidden(format!(
                "the Host \"{host}\" is not this agent's loopback address"
            )));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !origin.strip_prefix("http://").is_some_and(|host| self.is_ours(host)) {
                return Some(Refusal::forbidden(format!(
                    "the Origin \"{origin}\" may not talk to this agent"
                )));
            }
        }
        let open = (!path.starts_with("/api/") || path == HEALTH_ALIAS)
            && (method == Method::GET || method == Method::HEAD);
        (!open && !self.has_token(headers)).then(Refusal::unauthorized)
    }
}

pub async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.objection(request.method(), request.uri().path(), request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

/// `GET /login?token=…`: trades the link of `steady panel` for a session cookie.
pub fn login(gate: Gate) -> Router {
    Router::new().route("/login", get(sign_in)).with_state(gate)
}

async fn sign_in(State(gate): State<Gate>, Query(login): Query<Login>) -> Response {
    if !gate.matches(&login.token) {
        return Refusal::unauthorized().into_response();
    }
    let cookie = format!("{COOKIE}={}; HttpOnly; SameSite=Strict; Path=/", login.token);
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())];
    (StatusCode::SEE_OTHER, [(header::CACHE_CONTROL, "no-store")], headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Option<StatusCode> {
        let map = headers.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect();
        Gate::new("secret", 7457).objection(method, path, &map).map(|r| r.status)
    }

    const HOST: (header::HeaderName, &str) = (header::HOST, "127.0.0.1:7457");

    #[test]
    fn only_the_token_opens_the_api_and_health_stays_open() {
        assert_eq!(ask(&Method::GET, "/health", &[HOST]), None);
        for open in ["/", "/api/v1/health", "/livez", "/readyz", "/metrics"] {
            assert_eq!(ask(&Method::GET, open, &[HOST]), None, "{open}");
            assert_eq!(ask(&Method::HEAD, open, &[HOST]), None, "{open}");
        }
        assert_eq!(ask(&Method::GET, "/api/v1/health/x", &[HOST]), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(ask(&Method::POST, "/api/v1/health", &[HOST]), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(ask(&Method::GET, "/api/v1/snapshot", &[HOST]), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(ask(&Method::POST, "/health", &[HOST]), Some(StatusCode::UNAUTHORIZED));
        let wrong = (header::AUTHORIZATION, "Bearer secreT");
        assert_eq!(ask(&Method::GET, "/api/v1/snapshot", &[HOST, wrong]), Some(StatusCode::UNAUTHORIZED));
        let bearer = (header::AUTHORIZATION, "Bearer secret");
        assert_eq!(ask(&Method::GET, "/api/v1/snapshot", &[HOST, bearer]), None);
        let cookie = (header::COOKIE, "a=b; steady_session=secret");
        assert_eq!(ask(&Method::POST, "/api/v1/backups", &[HOST, cookie]), None);
    }

    #[test]
    fn a_rebinding_host_and_a_foreign_origin_are_refused_even_with_the_token() {
        let bearer = (header::AUTHORIZATION, "Bearer secret");
        for host in ["evil.example:7457", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:7457", ""] {
            let asked = ask(&Method::GET, "/health", &[(header::HOST, host), bearer.clone()]);
            assert_eq!(asked, Some(StatusCode::FORBIDDEN), "{host}");
        }
        for origin in ["http://evil.example", "null", "https://127.0.0.1:7457", "http://127.0.0.1:80"] {
            let asked =
                ask(&Method::POST, "/api/v1/backups", &[HOST, bearer.clone(), (header::ORIGIN, origin)]);
            assert_eq!(asked, Some(StatusCode::FORBIDDEN), "{origin}");
        }
        let own = (header::ORIGIN, "http://127.0.0.1:7457");
        assert_eq!(ask(&Method::POST, "/api/v1/backups", &[HOST, bearer, own]), None);
    }
}
