//! What the panel's page may ask of this process; `capabilities/panel.json` names the same three.
#![expect(clippy::unreachable, reason = "in what Tauri's macro makes of an async command")]

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use steady_client::{Client, Link, follow};
use steady_model::api::Problem;
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
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    Snapshot { snapshot: Box<Snapshot> },
    Gone { reason: String },
}

impl Bridge {
    pub fn new(home: &Path, client: Client) -> Self {
        Self { home: home.to_owned(), client, config: Arc::default(), following: Mutex::default() }
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

#[tauri::command]
pub async fn start_agent(bridge: State<'_, Bridge>) -> Result<(), Problem> {
    let config = bridge.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
    starting::agent(&bridge.home, config.as_deref()).await.map_err(|e| e.problem())
}
