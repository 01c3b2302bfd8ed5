use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use steady_model::api::{LogGap, LogLines, LogQuery};

use crate::error::cause;
use crate::events::{FIRST_RETRY, LAST_RETRY, wait};
use crate::{Client, ClientError};

/// What a followed log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogNews {
    Lines(Vec<String>),
    /// So many lines were left out here: this client was too slow.
    Gap(u64),
    /// Once per outage; it goes on where it was as soon as the agent answers again.
    Gone {
        why: String,
    },
}

impl Client {
    /// A service's log as it is written, after the lines that `wanted` asks for. Ends with a refusal only.
    pub fn follow_log(
        &self,
        service: &str,
        wanted: LogQuery,
    ) -> impl Stream<Item = Result<LogNews, ClientError>> + Send + use<> {
        let (client, service) = (self.clone(), service.to_owned());
        async_stream::stream! {
            let (mut last, mut pause, mut told) = (None::<String>, FIRST_RETRY, None::<String>);
            loop {
                let mut events = std::pin::pin!(client.log_events(&service, &wanted, last.clone()));
                while let Some(event) = events.next().await {
                    match event {
                        Ok((id, news)) => {
                            (pause, told) = (FIRST_RETRY, None);
                            last = id.or(last);
                            yield Ok(news);
                        }
                        Err(ClientError::AgentGone { why, .. }) => {
                            if told.as_ref() != Some(&why) {
                                told = Some(why.clone());
                                yield Ok(LogNews::Gone { why });
                            }
                        }
                        Err(e) => {
                            yield Err(e);
                            return;
                        }
                    }
                }
                wait(pause).await;
                pause = pause.saturating_mul(2).min(LAST_RETRY);
            }
        }
    }

    /// One connection's events with their ids, up to the first error; its end is one.
    fn log_events(
        &self,
        service: &str,
        wanted: &LogQuery,
        after: Option<String>,
    ) -> impl Stream<Item = Result<(Option<String>, LogNews), ClientError>> + Send + use<> {
        let (client, service, wanted) = (self.clone(), service.to_owned(), wanted.clone());
        async_stream::stream! {
            let answer = match client.open_log(&service, &wanted, after.as_deref()).await {
                Ok(answer) => answer,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let mut events = std::pin::pin!(answer.bytes_stream().eventsource());
            while let Some(event) = events.next().await {
                let news = match event {
                    Ok(event) => match event.event.as_str() {
                        "lines" => read(&service, &event.data).map(|LogLines { lines }| LogNews::Lines(lines)),
                        "gap" => read(&service, &event.data).map(|LogGap { lines }| LogNews::Gap(lines)),
                        _ => continue,
                    }
                    .map(|news| (Some(event.id).filter(|id| !id.is_empty()), news)),
                    Err(EventStreamError::Transport(e)) => Err(client.gone(cause(&e))),
                    Err(e) => Err(misread(&service, e.to_string())),
                };
                let last = news.is_err();
                yield news;
                if last {
                    return;
                }
            }
            yield Err(client.gone("it closed the connection"));
        }
    }
}

fn read<T: DeserializeOwned>(service: &str, data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(|e| misread(service, e.to_string()))
}

fn misread(service: &str, why: String) -> ClientError {
    ClientError::Protocol { request: format!("GET /api/v1/services/{service}/logs/stream"), why }
}
