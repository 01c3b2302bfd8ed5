//! The one owner of a service: input → `step` → effects in order → what changed is told.

mod back;
mod beside;
mod end;
mod hands;
mod launch;
mod memory;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use steady_launch::Environment;
use steady_logs::{Attachment, SinkClient};
use steady_model::config::Service;
use steady_model::process::ProcessId;
use steady_model::service::{Effect, Input, Lifecycle, Policy, State, step};
use steady_model::time::{AwakeInstant, WallTime};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::census::Census;
use crate::environment::Mark;
use crate::event::Crash;
use crate::handle::{Command, Order};
use crate::ready::LogWatch;
use crate::stop::gone;
use crate::tasks::{About, Found, News, Tasks};
use crate::{Deps, ServiceEvent, timer};
use hands::Hands;
use memory::Memory;

/// Findings that wait for the actor; each kind of task has at most one.
const FINDINGS_WAITING: usize = 8;

pub struct Actor {
    spec: Arc<Service>,
    home: PathBuf,
    policy: Policy,
    hands: Hands,
    mark: Mark,
    memory: Memory,
    census: Census,
    attachment: Attachment,
    sink: SinkClient,
    life: Lifecycle,
    run: Option<Run>,
    due: Option<AwakeInstant>,
    tasks: Tasks,
    found: (mpsc::Sender<Box<Found>>, mpsc::Receiver<Box<Found>>),
    events: mpsc::Sender<ServiceEvent>,
    shown: watch::Sender<Lifecycle>,
    /// In the order in which it happened. Told when nothing that hurries waits for it.
    untold: Vec<Untold>,
    warning: Option<String>,
    /// Keeps what the service wrote last in the FIFO while neither it nor a sink holds it.
    output: Option<std::fs::File>,
}

enum Untold {
    Event(ServiceEvent),
    Crash { crash: Box<Crash>, environment: Option<Arc<Environment>> },
}

/// The process that runs now.
struct Run {
    id: ProcessId,
    /// Of all runs in this home; 0 under another manager.
    number: u64,
    started: Option<WallTime>,
    /// Whether it leads a group of its own.
    leads: bool,
    /// Seen by an earlier agent.
    was_ready: bool,
    /// Done when the leader has ended; `None` once that was seen. What it left may live on.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    log: Option<LogWatch>,
}

impl Run {
    fn new(id: ProcessId) -> Self {
        let watched = id.clone();
        let end: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { gone(&watched).await });
        Self { id, number: 0, started: None, leads: true, was_ready: false, end: Some(end), log: None }
    }

    /// Returns once, when the leader has ended.
    async fn ended(run: &mut Option<Self>) {
        match run {
            Some(Self { end: Some(end), .. }) => end.await,
            _ => std::future::pending().await,
        }
    }
}

impl Actor {
    pub fn new(
        spec: Service,
        deps: Deps,
        events: mpsc::Sender<ServiceEvent>,
        shown: watch::Sender<Lifecycle>,
    ) -> Self {
        let hands = Hands::of(&spec, &deps.home);
        Self {
            policy: policy(&spec),
            mark: Mark::new(&spec.name, &deps.home),
            memory: Memory::of(&spec, &deps.home),
            census: deps.census,
            attachment: Attachment {
                service: spec.name.clone(),
                fifo: crate::fifo_of(&deps.home, &spec.name),
                dir: crate::log_dir_of(&deps.home, &spec.name),
                rotation: spec.log,
            },
            hands,
            sink: deps.sink,
            life: Lifecycle::default(),
            run: None,
            due: None,
            tasks: Tasks::default(),
            found: mpsc::channel(FINDINGS_WAITING),
            events,
            shown,
            untold: Vec::new(),
            warning: None,
            spec: Arc::new(spec),
            home: deps.home,
            output: None,
        }
    }

    /// `when_down` is fed first when nothing of the service runs and nobody had stopped it.
    /// Boxed, as a future has room for what it is given twice.
    pub async fn run(mut self: Box<Self>, when_down: Input, mut commands: mpsc::Receiver<Box<Command>>) {
        Box::pin(self.open_output()).await;
        for input in Box::pin(self.take_back(when_down)).await {
            self.feed(input).await;
        }
        Box::pin(self.ask_for_warnings()).await;
        let detached = loop {
            tokio::select! {
                command = commands.recv() => match command.map(|command| *command) {
                    Some(Command { order: Order::Detach, taken }) => break taken,
                    Some(Command { order, taken }) => {
                        Box::pin(self.obey(order)).await;
                        // Whoever asked may have stopped waiting.
                        let _ = taken.map(|taken| taken.send(()));
                    }
                    None => break None,
                },
                () = Run::ended(&mut self.run) => Box::pin(self.ended()).await,
                Some(found) = self.found.1.recv() => Box::pin(self.hear(*found)).await,
                () = timer::until(self.due) => self.timer().await,
            }
        };
        // Nothing of it may act any more when this is heard; the child is not touched.
        commands.close();
        drop(self);
        let _ = detached.map(|detached| detached.send(()));
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Feed(input) => self.feed(input).await,
            Order::Want(wanted, input) => {
                self.want(wanted).await;
                self.feed(input).await;
            }
            Order::Reconfigure(spec) => self.reconfigure(*spec),
            Order::Detach => {}
        }
    }

    /// One input and all that follows from it. Allocated while it goes on: a service at rest, which is every
    /// service nearly always, is kept without room for its start and its end.
    fn feed(&mut self, input: Input) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.follow(input))
    }

    async fn follow(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let (next, effects) = step(&self.life, &self.policy, input, steady_clock::now(), fastrand::f64());
            if next != self.life {
                self.life = next;
                self.changed();
            }
            for effect in effects {
                inputs.extend(self.perform(effect).await);
            }
            self.tell().await;
            self.accompany();
            self.remember().await;
        }
    }

    async fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Spawn => return Some(self.spawn().await),
            Effect::Terminate | Effect::Kill => self.signal(&effect),
            Effect::Sweep => self.sweep().await,
            // Begun with the end of the leader.
            Effect::ProveStopped => {}
            Effect::WakeAt(due) => self.due = Some(due),
            Effect::ReportCrash(end) => self.crashed(end),
        }
        None
    }

    fn changed(&mut self) {
        let (name, lifecycle) = (self.spec.name.clone(), self.life.clone());
        self.untold.push(Untold::Event(ServiceEvent::Changed { name, lifecycle }));
    }

    /// Tells what happened. The agent may be slow to hear it: nothing that hurries comes after.
    async fn tell(&mut self) {
        for untold in std::mem::take(&mut self.untold) {
            let event = match untold {
                Untold::Event(event) => event,
                Untold::Crash { mut crash, environment } => {
                    let known = match environment {
                        Some(known) => Some(known),
                        None => spawn_blocking(self.environment()).await.ok().flatten(),
                    };
                    if let Some(environment) = known {
                        crash.env = environment.redacted();
                        crash.redactor = Arc::new(environment.redactor());
                    }
                    ServiceEvent::Crashed { name: self.spec.name.clone(), crash }
                }
            };
            if let ServiceEvent::Changed { lifecycle, .. } = &event {
                tracing::info!(service = self.spec.name, state = ?lifecycle.state, "now");
                self.shown.send_replace(lifecycle.clone());
            }
            // Nobody to tell it to: the agent is ending.
            let _ = self.events.send(event).await;
        }
    }

    async fn timer(&mut self) {
        // Timers may be early by a moment, and `step` would wait for another one.
        if self.due.is_some_and(|due| steady_clock::now().awake >= due) {
            self.due = None;
            self.feed(Input::Timer).await;
        }
    }

    async fn hear(&mut self, found: Found) {
        let still = match &found.about {
            About::Process(id) => self.run.as_ref().is_some_and(|run| run.id == *id),
            About::Port => matches!(self.life.state, State::Foreign { .. }),
        };
        if !still {
            return;
        }
        match found.news {
            News::Feed(input) => {
                if input == Input::ProvedStopped {
                    self.run = None;
                }
                self.feed(input).await;
            }
            News::Failed(why) => {
                self.warn(Some(why));
                self.tell().await;
            }
        }
    }

    fn watch(&mut self, run: Run) {
        self.tasks.readiness = None;
        self.tasks.proof = None;
        self.run = Some(run);
    }

    /// Nothing is done to its process: what it was launched with counts from its next start on.
    fn reconfigure(&mut self, spec: Service) {
        self.policy = policy(&spec);
        if self.attachment.rotation != spec.log {
            self.attachment.rotation = spec.log;
            self.attach();
        }
        let asks_anew = self.spec.ready != spec.ready;
        self.spec = Arc::new(spec);
        match &self.hands {
            Hands::Own(child) => child.reconfigure(self.spec.clone()),
            Hands::Other(_) => self.hands = Hands::of(&self.spec, &self.home),
        }
        if asks_anew {
            self.tasks.readiness = None;
        }
        self.accompany();
    }
}

fn policy(spec: &Service) -> Policy {
    Policy {
        restart: spec.restart,
        oneshot: spec.oneshot,
        success_codes: spec.success_codes.clone(),
        stop_grace: spec.stop_grace,
        ready_timeout: spec.ready_timeout,
    }
}
