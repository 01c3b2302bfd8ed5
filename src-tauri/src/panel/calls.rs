//! What the panel's page may ask of this process; `capabilities/panel.json` names the same five.
#![expect(clippy::unreachable, reason = "in what Tauri's macro makes of an async command")]

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use steady_client::{Client, ClientError, Link, LogNews, follow};
use steady_model::api::{LogQuery, Problem};
use steady_model::snapshot::Snapshot;
use tauri::State;
use tauri::async_runtime::{self, JoinHandle};
use tauri::ipc::Channel;

use crate::starting;

/// The page's way to the agent.
pub struct Bridge {
    home: PathBuf,
    client: Client,
    /// What the last agent ran with, for the next one.
    config: Arc<Mutex<Option<String>>>,
    /// At most one: a page that was reloaded never unsubscribes.
    following: Mutex<Option<JoinHandle<()>>>,
    /// At most one log, by the id of its channel.
    log: Mutex<Option<(u32, JoinHandle<()>)>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    Snapshot { snapshot: Box<Snapshot> },
    Gone { reason: String },
}

/// What a followed log tells; `gap` counts lines.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    Lines { lines: Vec<String> },
    Gap { lines: u64 },
    Gone { reason: String },
}

impl From<Result<LogNews, ClientError>> for Line {
    fn from(news: Result<LogNews, ClientError>) -> Self {
        match news {
            Ok(LogNews::Lines(lines)) => Self::Lines { lines },
            Ok(LogNews::Gap(lines)) => Self::Gap { lines },
            Ok(LogNews::Gone { why }) => Self::Gone { reason: why },
            Err(error) => Self::Gone { reason: error.problem().detail },
        }
    }
}

impl Bridge {
    pub fn new(home: &Path, client: Client) -> Self {
        Self {
            home: home.to_owned(),
            client,
            config: Arc::default(),
            following: Mutex::default(),
            log: Mutex::default(),
        }
    }

    fn replace_log(&self, log: Option<(u32, JoinHandle<()>)>) {
        let old = std::mem::replace(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner), log);
        if let Some((_, old)) = old {
            old.abort();
        }
    }
}

/// Only paths below `/api/v1/`; the client refuses the rest.
#[tauri::command]
pub async fn request(
    bridge: State<'_, Bridge>,
    method: String,
    path: String,
    body: Option<Value>,
) -> Result<Value, Problem> {
    bridge.client.request(&method, &path, body.as_ref()).await.map_err(|e| e.problem())
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub fn events(bridge: State<'_, Bridge>, channel: Channel<News>) {
    let config = Arc::clone(&bridge.config);
    let links = follow(bridge.client.clone());
    let task = async_runtime::spawn(async move {
        let mut links = pin!(links);
        while let Some(link) = links.next().await {
            let news = match link {
                Link::Live(snapshot) => {
                    *config.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(snapshot.agent.config.clone());
                    News::Snapshot { snapshot }
                }
                Link::Gone { why } => News::Gone { reason: why },
            };
            if channel.send(news).is_err() {
                return;
            }
        }
    });
    let old = bridge.following.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
    if let Some(old) = old {
        old.abort();
    }
}

/// Another log takes the place of the one that is followed.
#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub fn follow_log(bridge: State<'_, Bridge>, service: String, lines: u32, channel: Channel<Line>) {
    let wanted = LogQuery { lines: Some(lines), ..LogQuery::default() };
    let news = bridge.client.follow_log(&service, wanted);
    let id = channel.id();
    let task = async_runtime::spawn(async move {
        let mut news = pin!(news);
        while let Some(one) = news.next().await {
            if channel.send(one.into()).is_err() {
                return;
            }
        }
    });
    bridge.replace_log(Some((id, task)));
}

/// Says nothing of a log that was opened meanwhile.
#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub fn leave_log(bridge: State<'_, Bridge>, channel: u32) {
    let is_it = bridge
        .log
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .is_some_and(|(id, _)| *id == channel);
    if is_it {
        bridge.replace_log(None);
    }
}

#[tauri::command]
pub async fn start_agent(bridge: State<'_, Bridge>) -> Result<(), Problem> {
    let config = bridge.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
    starting::agent(&bridge.home, config.as_deref()).await.map_err(|e| e.problem())
}
