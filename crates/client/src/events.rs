use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt};
use steady_model::snapshot::Snapshot;

use crate::error::cause;
use crate::{Client, ClientError};

/// How soon a lost agent is looked for again, and how rarely at most.
pub(crate) const FIRST_RETRY: Duration = Duration::from_millis(100);
pub(crate) const LAST_RETRY: Duration = Duration::from_secs(2);

/// How fresh a follower wants the processes' figures (memory, CPU).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// Somebody looks: every 2 seconds.
    Often,
    /// As often as the agent samples by itself.
    Seldom,
}

/// What is known about the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Live(Box<Snapshot>),
    /// Whatever was known is no longer known.
    Gone {
        why: String,
    },
}

impl Client {
    /// Snapshots as they come, over one connection. Ends with the first error; the end of the connection is one.
    pub fn events(
        &self,
        figures: Figures,
    ) -> impl Stream<Item = Result<Snapshot, ClientError>> + Send + use<> {
        let client = self.clone();
        async_stream::stream! {
            let answer = match client.open_events(figures).await {
                Ok(answer) => answer,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let mut events = std::pin::pin!(answer.bytes_stream().eventsource());
            while let Some(event) = events.next().await {
                let snapshot = match event {
                    Ok(event) if event.event == "snapshot" => {
                        serde_json::from_str(&event.data).map_err(|e| misread(e.to_string()))
                    }
                    Ok(_) => continue,
                    Err(EventStreamError::Transport(e)) => Err(client.gone(cause(&e))),
                    Err(e) => Err(misread(e.to_string())),
                };
                let last = snapshot.is_err();
                yield snapshot;
                if last {
                    return;
                }
            }
            yield Err(client.gone("it closed the connection"));
        }
    }
}

fn misread(why: String) -> ClientError {
    ClientError::Protocol { request: "GET /api/v1/events".to_owned(), why }
}

/// Follows the agent for ever, for somebody who looks: every snapshot, and once per outage at once that it is
/// gone.
pub fn follow(client: Client) -> impl Stream<Item = Link> + Send {
    follow_with(client, Figures::Often)
}

/// The same, with a choice: the tray shows no figures, and a machine at rest should not be asked for them.
pub fn follow_with(client: Client, figures: Figures) -> impl Stream<Item = Link> + Send {
    async_stream::stream! {
        let mut pause = FIRST_RETRY;
        let mut told: Option<String> = None;
        loop {
            let mut events = std::pin::pin!(client.events(figures));
            while let Some(event) = events.next().await {
                match event {
                    Ok(snapshot) => {
                        (pause, told) = (FIRST_RETRY, None);
                        yield Link::Live(Box::new(snapshot));
                    }
                    Err(error) => {
                        let why = error.to_string();
                        if told.as_ref() != Some(&why) {
                            told = Some(why.clone());
                            yield Link::Gone { why };
                        }
                    }
                }
            }
            wait(pause).await;
            pause = pause.saturating_mul(2).min(LAST_RETRY);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the adapter: nothing tells that a socket has a listener"
)]
pub(crate) async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
