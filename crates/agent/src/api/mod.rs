//! The HTTP API: the same routes on the 0600 Unix socket and on loopback TCP.
//!
//! Reads come from the cached snapshot; commands go to their owner's channel. Nothing here waits for work.

mod agent;
mod backup_key;
mod backups;
mod checks;
mod copies;
mod crashes;
mod guard;
mod health;
mod history;
mod jobs;
mod logs;
mod older;
mod operations;
mod pages;
mod panel;
mod points;
mod problem;
mod services;
mod snapshot;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use steady_model::api::ShutdownRequest;
use steady_model::snapshot::Snapshot;
use steady_sync::JobHandle;
use tokio::sync::{mpsc, watch};
use tower_http::limit::RequestBodyLimitLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use guard::Gate;
pub use pages::Pages;
pub use problem::Refusal;

use crate::crashes::CrashesHandle;
use crate::figures::Lookers;
use crate::history::History;
use crate::looks::Looks;
use crate::operations::OperationsHandle;
use crate::registry::Registry;
use crate::reload;
use crate::stack::Stack;

/// No request of ours carries more.
const BODY_LIMIT: usize = 64 * 1024;

/// What handlers may reach. Cheap to clone, which each request does.
#[derive(Clone)]
pub struct Surface(Arc<Reach>);

impl Deref for Surface {
    type Target = Reach;

    fn deref(&self) -> &Reach {
        &self.0
    }
}

impl From<Reach> for Surface {
    fn from(reach: Reach) -> Self {
        Self(Arc::new(reach))
    }
}

pub struct Reach {
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    pub stack: Stack,
    pub jobs: Registry<JobHandle>,
    pub operations: OperationsHandle,
    pub logs: PathBuf,
    pub crashes: CrashesHandle,
    pub lookers: Lookers,
    pub history: History,
    pub looks: Looks,
    pub pages: Pages,
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
        .route("/metrics", get(health::metrics))
        .route("/api/v1/health", get(health::alias))
        .route("/api/v1/snapshot", get(snapshot::snapshot))
        .route("/api/v1/events", get(snapshot::events))
        .route("/api/v1/services/{command}", post(services::command_all))
        .route("/api/v1/services/{name}/{command}", post(services::command))
        .route("/api/v1/services/{name}/logs", get(logs::read))
        .route("/api/v1/services/{name}/logs/stream", get(logs::stream))
        .route("/api/v1/checks/{name}", get(checks::show))
        .route("/api/v1/checks/{name}/run", post(checks::run))
        .route("/api/v1/jobs/{name}/run", post(jobs::run))
        .route("/api/v1/jobs/{name}", get(jobs::show))
        .route("/api/v1/admin/sync-status", get(jobs::status))
        .route("/api/v1/backups", get(backups::list).post(backups::take))
        .route("/api/v1/backups/{id}/plan", get(backups::plan).post(backups::plan_of))
        .route("/api/v1/backups/{id}/restore", post(backups::restore))
        .route("/api/v1/backups/{id}/verify", post(backups::verify))
        .route("/api/v1/drills", post(backups::drill))
        .route("/api/v1/backups/{id}/files", get(points::files))
        .route("/api/v1/backups/{id}/diff/{other}", get(points::diff))
        .route("/api/v1/backups/prune", get(points::prune_plan).post(points::prune))
        .route("/api/v1/backups/import", post(older::import))
        .route("/api/v1/backups/key", post(backup_key::look))
        .route("/api/v1/restores/recover", post(backups::recover))
        .route("/api/v1/restores/undo", post(backups::undo))
        .route("/api/v1/operations/{id}", delete(operations::cancel))
        .route("/api/v1/copies", get(copies::list))
        .route("/api/v1/copies/{name}", post(copies::make))
        .route("/api/v1/copies/{name}/points", get(copies::points))
        .route("/api/v1/history", get(history::read))
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
        .routes(routes!(health::metrics))
        .routes(routes!(health::alias))
        .routes(routes!(snapshot::snapshot))
        .routes(routes!(snapshot::events))
        .routes(routes!(services::command))
        .routes(routes!(services::command_all))
        .routes(routes!(logs::read))
        .routes(routes!(logs::stream))
        .routes(routes!(checks::show))
        .routes(routes!(checks::run))
        .routes(routes!(jobs::run))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::status))
        .routes(routes!(backups::list, backups::take))
        .routes(routes!(backups::plan, backups::plan_of))
        .routes(routes!(backups::restore))
        .routes(routes!(backups::verify))
        .routes(routes!(backups::drill))
        .routes(routes!(backups::recover))
        .routes(routes!(backups::undo))
        .routes(routes!(points::files))
        .routes(routes!(points::diff))
        .routes(routes!(points::prune_plan, points::prune))
        .routes(routes!(operations::cancel))
        .routes(routes!(backup_key::look))
        .routes(routes!(older::import))
        .routes(routes!(copies::list))
        .routes(routes!(copies::make))
        .routes(routes!(copies::points))
        .routes(routes!(history::read))
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
    use crate::heartbeat::Heartbeat;
    use crate::home::Home;
    use crate::looks::Waiting;
    use crate::operations::{self, Wiring};
    use crate::service_control::ServiceControl;
    use crate::world::World;

    fn reach(home: &Path) -> Reach {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = Arc::new(config::parse("version = 1", "steady.toml".as_ref(), roots).unwrap());
        let agent = AgentInfo {
            version: "0".into(),
            pid: 1,
            started: steady_clock::now().wall,
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 0,
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
            stack: Stack::new(services.clone(), in_force.clone()),
            hold: crate::hold::Hold::default(),
            events,
        });
        let snapshots = watch::channel(Arc::new(snapshot)).1;
        let heartbeat = Heartbeat::default();
        heartbeat.promise(steady_clock::now().awake);
        let history = snapshots.clone();
        Reach {
            pages: Pages::new(snapshots.clone(), heartbeat),
            looks: Looks::new(Waiting::default(), mpsc::channel(1).0),
            snapshots,
            stack: Stack::new(services, in_force),
            jobs: Registry::default(),
            operations,
            logs: PathBuf::from("/"),
            crashes: crate::crashes::start(&Home::new(home), mpsc::channel(1).0),
            lookers: Lookers::default(),
            history: crate::history::start(
                home.join("history.db"),
                history,
                mpsc::channel(1).0,
                steady_clock::now().wall,
            )
            .0,
            shutdown: mpsc::channel(1).0,
            reload: mpsc::channel(1).0,
        }
    }

    async fn ask(router: &Router, method: Method, path: &str) -> (StatusCode, String, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_loop_that_hangs_is_told_by_every_open_page_and_old_news_are_not() {
        let home = tempfile::tempdir().unwrap();
        let mut reach = reach(home.path());
        // It promised to be back when the machine booted.
        reach.pages = Pages::new(reach.snapshots.clone(), Heartbeat::default());
        let router = router(reach.into());
        let (status, _, body) = ask(&router, Method::GET, "/livez").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains(r#""status":"late""#), "{body}");
        let (status, _, body) = ask(&router, Method::GET, "/health").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains(r#""status":"unknown""#) && !body.contains("checks"), "{body}");
        assert_eq!(ask(&router, Method::GET, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        let (status, _, body) = ask(&router, Method::GET, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("\nsteady_up 0\n") && !body.contains("steady_verdict"), "{body}");
    }

    #[tokio::test]
    async fn the_open_pages_answer_get_and_head_alike() {
        let home = tempfile::tempdir().unwrap();
        let router = router(reach(home.path()).into());
        for (path, kind) in [
            ("/health", "application/health+json"),
            ("/api/v1/health", "application/health+json"),
            ("/livez", "application/json"),
            ("/readyz", "text/plain; charset=utf-8"),
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ] {
            let get = ask(&router, Method::GET, path).await;
            assert_eq!((get.0, get.1.as_str()), (StatusCode::OK, kind), "{path}");
            assert!(!get.2.is_empty());
            let head = ask(&router, Method::HEAD, path).await;
            assert_eq!((head.0, head.1.as_str(), head.2.as_str()), (StatusCode::OK, kind, ""), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_documented_is_served_with_these_methods_and_no_others() {
        let home = tempfile::tempdir().unwrap();
        let router = router(reach(home.path()).into());
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
