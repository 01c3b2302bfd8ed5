//! What is counted while brain serves, and what is looked at when somebody asks, as `OpenMetrics` text.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>; times are Unix seconds.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::clock;
use crate::markers::{SyncState, SyncStatus};
use crate::stores::outbox::OutboxStatus;

/// Seconds; a search over ten thousand notes takes about a millisecond.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    /// The template, such as `/api/v1/conversations/{id}`: as many as there are routes.
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Store {
    store: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sync {
    state: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// Counts requests for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    started: Timestamp,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram>,
}

/// What is looked at for one answer.
#[derive(Debug)]
pub struct Seen {
    pub vault_readable: bool,
    pub notes: i64,
    pub chunks: i64,
    pub last_indexed: Option<Timestamp>,
    /// `None` when its store does not answer: absent is told from none.
    pub outbox: Option<OutboxStatus>,
    pub sync: SyncState,
    pub free_bytes: Option<u64>,
    /// Bytes of each store with its log.
    pub stores: Vec<(&'static str, u64)>,
    /// `None` without an embedding service.
    pub embedding_available: Option<bool>,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        Self(Arc::new(Counted { started: clock::now(), requests: Family::default(), durations }))
    }
}

impl Metrics {
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.0.durations.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.0.requests.get_or_create(&Answered { method, route, status }).inc();
    }

    /// The page, with what is counted and what was just seen.
    pub fn text(&self, seen: &Seen) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        // A gauge: older readers know no `info`.
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("brain_build_info", "Which brain this is", build);
        let started = "When this process began to serve";
        gauge(&mut registry, "process_start_time", started, Some(Unit::Seconds), seconds(self.0.started));
        registry.register("brain_http_requests", "Requests answered", self.0.requests.clone());
        let took = "How long answers took";
        registry.register_with_unit(
            "brain_http_request_duration",
            took,
            Unit::Seconds,
            self.0.durations.clone(),
        );
        of_now(&mut registry, seen);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

fn of_now(registry: &mut Registry, seen: &Seen) {
    let plain = |registry: &mut Registry, name, help, value| gauge(registry, name, help, None, value);
    let in_seconds = |registry: &mut Registry, name, help, value| {
        gauge(registry, name, help, Some(Unit::Seconds), value);
    };
    let truth = |is: bool| f64::from(u8::from(is));
    plain(registry, "brain_vault_readable", "Whether the vault can be read", truth(seen.vault_readable));
    plain(registry, "brain_notes", "Notes in the index", number(seen.notes.unsigned_abs()));
    plain(registry, "brain_chunks", "Passages in the index", number(seen.chunks.unsigned_abs()));
    if let Some(at) = seen.last_indexed {
        in_seconds(
            registry,
            "brain_index_last_change_timestamp",
            "When a note was indexed last",
            seconds(at),
        );
    }
    if let Some(OutboxStatus { pending, oldest_s, failed }) = seen.outbox {
        plain(registry, "brain_outbox_pending", "Captures on their way to the index", number(pending));
        in_seconds(registry, "brain_outbox_oldest_age", "Age of the oldest of them, 0 without one", oldest_s);
        plain(registry, "brain_outbox_failed", "Captures that were given up", number(failed));
    }
    let state = SyncStatus::name(&seen.sync);
    let states = Family::<Sync, Gauge>::default();
    for one in SyncStatus::NAMES {
        states.get_or_create(&Sync { state: one }).set(i64::from(one == state));
    }
    registry.register("brain_sync_state", "The daily job: 1 for the state that it is in", states);
    if let Some(free) = seen.free_bytes {
        gauge(registry, "brain_data_free", "Room on the volume of the data", Some(Unit::Bytes), number(free));
    }
    let sizes = Family::<Store, Seconds>::default();
    for (store, bytes) in &seen.stores {
        sizes.get_or_create(&Store { store }).set(number(*bytes));
    }
    registry.register_with_unit("brain_store_size", "Each store with its log", Unit::Bytes, sizes);
    if let Some(available) = seen.embedding_available {
        let help = "Whether the embedding service is asked; 0 while it is left alone after failures";
        plain(registry, "brain_embedding_available", help, truth(available));
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, value: f64) {
    let gauge = Seconds::default();
    gauge.set(value);
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauge),
        None => registry.register(name, help, gauge),
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
fn number(value: u64) -> f64 {
    value as f64
}
