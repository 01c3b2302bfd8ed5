use std::time::Duration;

use steady_logs::{SinkClient, SinkError};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;

use crate::timer::pause;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Keeps a log sink running; returns once this process told it to quit.
///
/// The end of a held connection tells that the sink died. What it had attached, its successor knows.
pub async fn keep_sink(sink: SinkClient) {
    let mut wait = FIRST_PAUSE;
    loop {
        match hold(&sink).await {
            Ok(()) => wait = FIRST_PAUSE,
            Err(SinkError::Closed { .. }) => return,
            Err(e) => {
                tracing::error!("{e}");
                pause(wait).await;
                wait = (wait * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Returns when a sink that had answered is gone.
async fn hold(sink: &SinkClient) -> Result<(), SinkError> {
    let client = sink.clone();
    match spawn_blocking(move || client.ensure_running()).await {
        Ok(done) => done?,
        Err(_) => return Ok(()),
    }
    let no_answer = |source| SinkError::NoAnswer { socket: sink.socket(), source };
    let mut line = UnixStream::connect(sink.socket()).await.map_err(no_answer)?;
    // The sink says nothing unasked: this ends with it, by an end of file or a reset.
    let _ = line.read_u8().await;
    Ok(())
}
