//! The HTTP API: the same routes on the 0600 Unix socket and on loopback TCP.
//!
//! Reads come from the cached snapshot; commands go to their owner's channel. Nothing here waits for work.

mod agent;
mod backups;
mod crashes;
mod guard;
mod health;
mod jobs;
mod logs;
mod panel;
mod problem;
mod services;
mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use steady_model::api::ShutdownRequest;
use steady_model::snapshot::Snapshot;
use steady_sync::JobHandle;
use tokio::sync::{mpsc, watch};
use tower_http::limit::RequestBodyLimitLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use guard::Gate;
pub use problem::Refusal;

use crate::crashes::CrashesHandle;
use crate::figures::Lookers;
use crate::operations::OperationsHandle;
use crate::registry::Registry;
use crate::reload;
use crate::stack::Stack;

/// No request of ours carries more.
const BODY_LIMIT: usize = 64 * 1024;

/// What handlers may reach. Cheap to clone.
#[derive(Clone)]
pub struct Surface {
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    pub stack: Stack,
    pub jobs: Registry<JobHandle>,
    pub operations: OperationsHandle,
    pub logs: Arc<PathBuf>,
    pub crashes: CrashesHandle,
    pub lookers: Lookers,
    pub shutdown: mpsc::Sender<ShutdownRequest>,
    pub reload: mpsc::Sender<reload::Request>,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Steady",
    description = "The agent's API. Over loopback TCP it wants the session cookie of /login or a bearer token; \
                   over the Unix socket the file's permission is the key.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
))]
struct Document;

/// What is served. Not the documented router below: making its schemas costs megabytes, for every agent and
/// for life. A test holds the two together.
fn routes() -> Router<Surface> {
    Router::new()
        .route("/health", get(health::health))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/api/v1/snapshot", get(snapshot::snapshot))
        .route("/api/v1/events", get(snapshot::events))
        .route("/api/v1/services/{command}", post(services::command_all))
        .route("/api/v1/services/{name}/{command}", post(services::command))
        .route("/api/v1/services/{name}/logs", get(logs::read))
        .route("/api/v1/services/{name}/logs/stream", get(logs::stream))
        .route("/api/v1/jobs/{name}/run", post(jobs::run))
        .route("/api/v1/backups", get(backups::list).post(backups::take))
        .route("/api/v1/backups/{id}/plan", get(backups::plan))
        .route("/api/v1/backups/{id}/restore", post(backups::restore))
        .route("/api/v1/restores/undo", post(backups::undo))
        .route("/api/v1/crashes", get(crashes::list))
        .route("/api/v1/crashes/{id}", get(crashes::show))
        .route("/api/v1/agent/reload", post(agent::reload))
        .route("/api/v1/agent/shutdown", post(agent::shutdown))
        .route("/api/openapi.json", get(async || axum::Json(document())))
}

fn documented() -> OpenApiRouter<Surface> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(snapshot::snapshot))
        .routes(routes!(snapshot::events))
        .routes(routes!(services::command))
        .routes(routes!(services::command_all))
        .routes(routes!(logs::read))
        .routes(routes!(logs::stream))
        .routes(routes!(jobs::run))
        .routes(routes!(backups::list, backups::take))
        .routes(routes!(backups::plan))
        .routes(routes!(backups::restore))
        .routes(routes!(backups::undo))
        .routes(routes!(crashes::list))
        .routes(routes!(crashes::show))
        .routes(routes!(agent::reload))
        .routes(routes!(agent::shutdown))
}

/// The OpenAPI document, generated from the handlers.
pub fn document() -> utoipa::openapi::OpenApi {
    documented().split_for_parts().1
}

/// The API, once for both doors.
pub fn router(surface: Surface) -> Router {
    routes().with_state(surface)
}

/// Without a guard: for the Unix socket, whose file permission is the key.
pub fn for_socket(router: Router) -> Router {
    router.fallback(panel::not_found).layer(RequestBodyLimitLayer::new(BODY_LIMIT))
}

/// With the panel, behind the gate: for loopback TCP.
pub fn for_loopback(router: Router, gate: Gate) -> Router {
    router
        .merge(guard::login(gate.clone()))
        .fallback(panel::asset)
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .layer(axum::middleware::from_fn_with_state(gate, guard::check))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::body::Body;
    use axum::http::{Method, Request, StatusCode, header};
    use steady_model::config::{self, Roots};
    use steady_model::snapshot::AgentInfo;
    use tower::ServiceExt;

    use super::*;
    use crate::home::Home;
    use crate::operations::{self, Wiring};
    use crate::service_control::ServiceControl;
    use crate::world::World;

    fn surface(home: &Path) -> Surface {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = Arc::new(config::parse("version = 1", "steady.toml".as_ref(), roots).unwrap());
        let agent = AgentInfo {
            version: "0".into(),
            pid: 1,
            started: steady_clock::now().wall,
            config: "steady.toml".into(),
            panel: None,
        };
        let (snapshot, _) = World::new(config.clone(), agent).snapshot(steady_clock::now());
        let (_, in_force) = watch::channel(config);
        let services = Registry::default();
        let (events, _) = mpsc::channel(1);
        let operations = operations::start(Wiring {
            spec: None,
            backups: None,
            services: Arc::new(ServiceControl::new(services.clone(), in_force.clone())),
            jobs: Registry::default(),
            events,
        });
        Surface {
            snapshots: watch::channel(Arc::new(snapshot)).1,
            stack: Stack::new(services, in_force),
            jobs: Registry::default(),
            operations,
            logs: Arc::new(PathBuf::from("/")),
            crashes: crate::crashes::start(&Home::new(home), mpsc::channel(1).0),
            lookers: Lookers::default(),
            shutdown: mpsc::channel(1).0,
            reload: mpsc::channel(1).0,
        }
    }

    #[tokio::test]
    async fn what_is_documented_is_served_with_these_methods_and_no_others() {
        let home = tempfile::tempdir().unwrap();
        let router = router(surface(home.path()));
        let document = serde_json::to_value(document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            // No route of ours takes it, so that the answer names those that it takes.
            let request = Request::builder().method(Method::TRACE).uri(path.replace(['{', '}'], "x"));
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            let mut served: Vec<String> = answer.headers()[header::ALLOW]
                .to_str()
                .unwrap()
                .split(',')
                .map(str::to_lowercase)
                .filter(|method| method != "head")
                .collect();
            served.sort();
            let mut documented: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
            documented.sort();
            assert_eq!(served, documented, "{path}");
        }
    }
}
