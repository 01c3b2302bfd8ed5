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

fn routes() -> OpenApiRouter<Surface> {
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
    routes().split_for_parts().1
}

/// The API, once for both doors. The document is made when somebody asks for it: kept, it would cost more
/// memory than all else here.
pub fn router(surface: Surface) -> Router {
    let (router, _document) = routes().split_for_parts();
    let document = axum::routing::get(async || axum::Json(document()));
    router.route("/api/openapi.json", document).with_state(surface)
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
