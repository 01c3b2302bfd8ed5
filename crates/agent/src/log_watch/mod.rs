//! The watch over logs: what the sink tells of floods and drops, and the files that others write.

mod facts;
mod files;

use std::sync::Arc;
use std::time::Duration;

use steady_logs::foreign::Foreign;
use steady_logs::{SinkClient, SinkEvent};
use steady_model::config::{Config, LogFile};
use steady_model::milestone::Milestone;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::events::Notice;
use crate::milestones::{self, Rotations};
use facts::LogFacts;

const BACKLOG: usize = 64;
/// The sink's keeper starts it again; nothing tells when its socket is there.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

enum Seen {
    Sink(SinkEvent),
    SinkGone,
    File { spec: LogFile, found: Foreign },
}

/// Watches as long as the runtime lives, and tells the World each time something changed.
pub fn start(sink: SinkClient, config: watch::Receiver<Arc<Config>>, world: mpsc::Sender<Notice>) {
    let (seen, told) = mpsc::channel(BACKLOG);
    tokio::spawn(follow_sink(sink, seen.clone()));
    tokio::spawn(files::watch(config.clone(), seen));
    tokio::spawn(tell(told, config, world));
}

async fn tell(
    mut seen: mpsc::Receiver<Seen>,
    mut config: watch::Receiver<Arc<Config>>,
    world: mpsc::Sender<Notice>,
) {
    let (mut facts, mut rotations, mut said) = (LogFacts::default(), Rotations::default(), Vec::new());
    loop {
        tokio::select! {
            seen = seen.recv() => match seen {
                Some(seen) => take_in(&mut facts, &mut rotations, seen),
                None => return,
            },
            changed = config.changed() => match changed {
                Ok(()) => facts.reconfigure(&config.borrow_and_update()),
                Err(_) => return,
            },
        }
        let checks = facts.checks();
        if checks != said {
            said.clone_from(&checks);
            if world.send(Notice::Logs(checks)).await.is_err() {
                return;
            }
        }
    }
}

fn take_in(facts: &mut LogFacts, rotations: &mut Rotations, seen: Seen) {
    let both = steady_clock::now();
    let now = both.wall;
    match seen {
        Seen::Sink(SinkEvent::Rotated { service, bytes }) => {
            rotations.rotated(&service, bytes, both).iter().for_each(milestones::tell);
        }
        Seen::Sink(event) => {
            tracing::warn!("the log sink tells: {event:?}");
            facts.apply(&event, now);
        }
        Seen::SinkGone => facts.sink_gone(now),
        Seen::File { spec, found } => {
            if matches!(found, Foreign::Rotated { .. }) {
                tracing::info!(file = %spec.path.display(), "{found:?}");
                let told = Milestone::new("rotation_complete", now).with("file", spec.path.to_string_lossy());
                milestones::tell(&told);
            }
            facts.looked_at(&spec.name, &spec.path, &found, now);
        }
    }
}

async fn follow_sink(sink: SinkClient, seen: mpsc::Sender<Seen>) {
    let mut wait = FIRST_RETRY;
    while !seen.is_closed() {
        match subscribe(&sink, &seen).await {
            // It had answered, and is gone.
            Ok(()) => {
                wait = FIRST_RETRY;
                let _ = seen.send(Seen::SinkGone).await;
            }
            // Its keeper says what is wrong with it.
            Err(e) => tracing::debug!("no news from the log sink: {e}"),
        }
        pause(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
    }
}

/// Passes on what the sink tells until it ends.
async fn subscribe(sink: &SinkClient, seen: &mpsc::Sender<Seen>) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(sink.socket()).await?;
    stream.write_all(SinkEvent::SUBSCRIBE.as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    // A reset is the end of the sink as well.
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(event) = SinkEvent::parse(&line)
            && seen.send(Seen::Sink(event)).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the timer of an adapter")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
