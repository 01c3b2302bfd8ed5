//! Log lines on stderr: `YYYY-MM-DD HH:MM:SS [INFO] brain.sync: message`, local time.
//!
//! Supervisors find the JSON milestones of `brain sync` after exactly this prefix.

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock;

struct Prefixed;

impl<S, N> FormatEvent<S, N> for Prefixed
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            // The name which Python's logging uses, which the readers of these logs already match.
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        };
        let at = clock::local_now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        write!(out, "{at} [{level}] {}: ", event.metadata().target())?;
        ctx.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Starts logging. `level` comes from `BRAIN_LOG` and is about brain's own lines; libraries speak from
/// `warn` on.
pub fn init(level: LevelFilter) {
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("brain", level);
    // The layer would report a closed stderr on stderr, and panic over it in the middle of a request.
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Prefixed)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // A second call (a test which starts two servers in one process) keeps the first.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
}
