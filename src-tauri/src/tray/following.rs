//! Follows the agent and carries out clicks, on a thread of its own: no click ever waits for the agent.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::StreamExt;
use steady_client::{Client, ClientError, Figures, Link, follow_with};
use steady_clock::now;
use steady_model::project::tray::{Action, TrayModel, can_run, tray};
use steady_model::snapshot::Snapshot;
use steady_model::time::AwakeInstant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Sleep;

use super::menu::Intent;
use super::pace::Pace;
use crate::starting;

/// How long the outcome of a click stays in the menu, which closes with the click: long enough to look again.
const NEWS: Duration = Duration::from_secs(60);

/// Ages are told in minutes.
const REPHRASE: Duration = Duration::from_secs(60);

struct Follower<D> {
    home: PathBuf,
    client: Client,
    draw: D,
    pace: Pace,
    snapshot: Option<Box<Snapshot>>,
    /// What the last agent ran with, for the next one.
    config: Option<String>,
    notice: Option<(String, AwakeInstant)>,
    news: UnboundedSender<Option<String>>,
}

/// Runs until `intents` is closed. `draw` is called with each model that is to be shown.
pub async fn run(
    home: PathBuf,
    client: Client,
    mut intents: UnboundedReceiver<Intent>,
    draw: impl Fn(TrayModel),
) {
    let mut links = pin!(follow_with(client.clone(), Figures::Seldom));
    let (news, mut told) = unbounded_channel();
    let mut follower = Follower {
        home,
        client,
        draw,
        pace: Pace::default(),
        snapshot: None,
        config: None,
        notice: None,
        news,
    };
    let mut minute = tokio::time::interval(REPHRASE);
    minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut pending: Option<Pin<Box<Sleep>>> = None;
    loop {
        tokio::select! {
            link = links.next() => match link {
                Some(link) => follower.learn(link),
                None => return,
            },
            intent = intents.recv() => match intent {
                Some(intent) => follower.carry_out(intent),
                None => return,
            },
            Some(outcome) = told.recv() => follower.notice = outcome.map(|words| (words, now().awake)),
            _ = minute.tick() => {}
            () = async { if let Some(sleep) = pending.as_mut() { sleep.await } }, if pending.is_some() => {}
        }
        pending = follower.show().map(wait);
    }
}

impl<D: Fn(TrayModel)> Follower<D> {
    fn learn(&mut self, link: Link) {
        self.snapshot = match link {
            Link::Live(snapshot) => {
                if self.config.as_deref() != Some(&snapshot.agent.config) {
                    self.config = Some(snapshot.agent.config.clone());
                }
                Some(snapshot)
            }
            Link::Gone { .. } => None,
        };
    }

    /// Draws what may be drawn; says when to come back for what may not yet.
    fn show(&mut self) -> Option<Duration> {
        let now = now();
        self.notice.take_if(|(_, since)| now.awake.since(*since) >= NEWS);
        let notice = self.notice.as_ref().map(|(words, _)| words.as_str());
        let model = tray(self.snapshot.as_deref(), now.wall).with_notice(notice);
        if let Some(model) = self.pace.offer(model, now.awake) {
            (self.draw)(model);
        }
        self.pace.due(now.awake)
    }

    fn carry_out(&mut self, intent: Intent) {
        self.notice = None;
        let news = self.news.clone();
        let page = match intent {
            Intent::Show(page) => page,
            Intent::Do(Action::Restore) => "#/backups".to_owned(),
            Intent::Do(Action::OpenPanel) => "#/".to_owned(),
            Intent::Do(action) => {
                let task = Task::of(action, self);
                tokio::spawn(async move {
                    let _ = news.send(task.run().await.err());
                });
                return;
            }
        };
        let home = self.home.clone();
        tokio::spawn(async move {
            match starting::panel(&home, &page) {
                // Waited for, so that no zombie is left; how it ended is its own business.
                Ok(mut panel) => drop(panel.wait().await),
                Err(error) => drop(news.send(Some(error.to_string()))),
            }
        });
    }
}

/// A command with all it needs, so that the follower goes on meanwhile.
struct Task {
    action: Action,
    home: PathBuf,
    client: Client,
    config: Option<String>,
    /// Services or jobs, in order.
    names: Vec<String>,
}

impl Task {
    fn of<D>(action: Action, follower: &Follower<D>) -> Self {
        let names = match (&follower.snapshot, action) {
            (Some(s), Action::Restart) => s.services.iter().map(|s| s.name.clone()).collect(),
            (Some(s), Action::SyncNow) => {
                s.jobs.iter().filter(|j| can_run(j)).map(|j| j.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        Self {
            action,
            home: follower.home.clone(),
            client: follower.client.clone(),
            config: follower.config.clone(),
            names,
        }
    }

    /// An error is one sentence for the menu. One refusal does not keep the other services from their restart.
    async fn run(self) -> Result<(), String> {
        match self.action {
            Action::StartAgent => {
                return starting::agent(&self.home, self.config.as_deref()).await.map_err(|e| e.to_string());
            }
            Action::BackUp => return told("Backup", self.client.back_up().await),
            Action::Restart | Action::SyncNow => {}
            Action::Restore | Action::OpenPanel | Action::Quit => return Ok(()),
        }
        let mut first = Ok(());
        for name in &self.names {
            let outcome = if self.action == Action::Restart {
                told(&format!("Restart of {name}"), self.client.restart(name).await)
            } else {
                told(&format!("Run of {name}"), self.client.run_job(name).await)
            };
            first = first.and(outcome);
        }
        first
    }
}

fn told<T>(what: &str, outcome: Result<T, ClientError>) -> Result<(), String> {
    match outcome {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(problem)) => Err(format!("{what} refused: {}", problem.detail)),
        Err(ClientError::AgentGone { why, .. }) => {
            Err(format!("{what} failed: the agent does not answer ({why})"))
        }
        Err(error) => Err(format!("{what} failed: {error}")),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter: the tray's pace is in time")]
fn wait(pause: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(pause))
}
