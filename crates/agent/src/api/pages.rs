//! Pages made once for each snapshot, by whoever asks first, and served from memory to all others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use steady_model::project::metrics::{self, Format};
use steady_model::project::{health, ready};
use steady_model::snapshot::Snapshot;
use tokio::sync::watch;

use crate::heartbeat::Heartbeat;

/// Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    heartbeat: Heartbeat,
    slots: Arc<[Slot; 4]>,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Health,
    Ready,
    Metrics(Format),
}

impl Kind {
    fn slot(self) -> usize {
        match self {
            Self::Health => 0,
            Self::Ready => 1,
            Self::Metrics(Format::Prometheus) => 2,
            Self::Metrics(Format::OpenMetrics) => 3,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Health => "application/health+json",
            Self::Ready => "text/plain; charset=utf-8",
            Self::Metrics(format) => format.content_type(),
        }
    }
}

#[derive(Clone)]
struct Page {
    code: StatusCode,
    body: Bytes,
}

/// The page and the version of the snapshot that it is of.
type Slot = Mutex<Option<(u64, Page)>>;

impl Pages {
    pub fn new(snapshots: watch::Receiver<Arc<Snapshot>>, heartbeat: Heartbeat) -> Self {
        Self { snapshots, heartbeat, slots: Arc::default() }
    }

    /// By how much the agent's loop is late, if it hangs.
    pub fn late(&self) -> Option<Duration> {
        self.heartbeat.late(steady_clock::now().awake)
    }

    pub fn answer(&self, kind: Kind) -> Response {
        let snapshot = self.snapshots.borrow().clone();
        let page = match self.late() {
            Some(late) => of_hanging_agent(kind, &snapshot, late),
            None => self.cached(kind, &snapshot),
        };
        let headers = [(header::CONTENT_TYPE, kind.content_type()), (header::CACHE_CONTROL, "no-store")];
        (page.code, headers, page.body).into_response()
    }

    /// Others who ask meanwhile wait for the one that makes it: less than a millisecond for a hundred services.
    fn cached(&self, kind: Kind, snapshot: &Snapshot) -> Page {
        let Some(slot) = self.slots.get(kind.slot()) else { return made(kind, snapshot) };
        let mut kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((version, page)) if *version == snapshot.version => page.clone(),
            _ => kept.insert((snapshot.version, made(kind, snapshot))).1.clone(),
        }
    }
}

fn made(kind: Kind, snapshot: &Snapshot) -> Page {
    match kind {
        Kind::Health => {
            let (code, body) = health::health(snapshot);
            page(code, body.to_string())
        }
        Kind::Ready => {
            let (code, body) = ready::ready(snapshot);
            page(code, body)
        }
        Kind::Metrics(format) => page(200, metrics::metrics(snapshot, format)),
    }
}

fn of_hanging_agent(kind: Kind, snapshot: &Snapshot, late: Duration) -> Page {
    match kind {
        Kind::Health => {
            let (code, body) = health::of_hanging_agent(snapshot, late);
            page(code, body.to_string())
        }
        Kind::Ready => page(503, "not ready: the agent hangs\n".to_owned()),
        // A scrape that fails would hide the reason.
        Kind::Metrics(format) => page(200, metrics::of_hanging_agent(snapshot, format)),
    }
}

fn page(code: u16, body: String) -> Page {
    Page { code: StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body: body.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steady_model::config::{self, Roots};
    use steady_model::snapshot::AgentInfo;

    use super::*;
    use crate::world::World;

    #[test]
    fn a_page_is_made_once_for_a_snapshot_and_anew_for_the_next() {
        let roots = Roots { base: "/".as_ref(), user_home: None };
        let config = Arc::new(config::parse("version = 1", "steady.toml".as_ref(), roots).unwrap());
        let now = steady_clock::now();
        let agent = AgentInfo {
            version: "0".into(),
            pid: 1,
            started: now.wall,
            config: "steady.toml".into(),
            panel: None,
            usage: None,
            lag_ms: 0,
        };
        let mut world = World::new(config, agent);
        let (snapshots, seen) = watch::channel(Arc::new(world.snapshot(now).0));
        let heartbeat = Heartbeat::default();
        heartbeat.promise(now.awake);
        let pages = Pages::new(seen.clone(), heartbeat);
        let made = |kind| pages.cached(kind, &seen.borrow().clone()).body;
        for kind in
            [Kind::Health, Kind::Ready, Kind::Metrics(Format::Prometheus), Kind::Metrics(Format::OpenMetrics)]
        {
            let first = made(kind);
            assert_eq!(made(kind).as_ptr(), first.as_ptr(), "{kind:?}: made a second time");
        }
        let old = made(Kind::Metrics(Format::Prometheus));
        snapshots.send_replace(Arc::new(world.snapshot(now).0));
        let new = made(Kind::Metrics(Format::Prometheus));
        assert!(std::str::from_utf8(&old).unwrap().contains("\nsteady_snapshot_version 1\n"));
        assert!(std::str::from_utf8(&new).unwrap().contains("\nsteady_snapshot_version 2\n"));
    }
}
