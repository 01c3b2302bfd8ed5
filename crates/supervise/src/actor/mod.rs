//! The one owner of a service: input → `step` → publish → effects in order.

mod launch;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;

use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use steady_logs::{Attachment, SinkClient};
use steady_model::config::Service;
use steady_model::process::{Exit, ProcessId};
use steady_model::service::{Effect, Input, Lifecycle, Policy, State, step};
use steady_model::time::AwakeInstant;
use tokio::sync::{mpsc, watch};

use crate::environment::Mark;
use crate::exit_watch::pid_of;
use crate::handle::{Command, Order};
use crate::journal::Journal;
use crate::stop::{Group, gone, prove, signal_of};
use crate::tasks::{About, Found, News, Task, Tasks, tell};
use crate::{Deps, ServiceEvent, port, ready, timer};

/// Findings that wait for the actor; each kind of task has at most one.
const FINDINGS_WAITING: usize = 8;

pub struct Actor {
    spec: Arc<Service>,
    policy: Policy,
    mark: Mark,
    journal: Journal,
    fifo: PathBuf,
    attachment: Attachment,
    sink: SinkClient,
    life: Lifecycle,
    run: Option<Run>,
    /// How many there were, in this home.
    runs: u64,
    due: Option<AwakeInstant>,
    tasks: Tasks,
    found: (mpsc::Sender<Found>, mpsc::Receiver<Found>),
    events: mpsc::Sender<ServiceEvent>,
    shown: watch::Sender<Lifecycle>,
    /// Keeps what the service wrote last in the FIFO while neither it nor a sink holds it.
    output: Option<std::fs::File>,
}

/// The process that runs now.
struct Run {
    id: ProcessId,
    group: Group,
    /// `None` when it was taken back from an earlier agent.
    child: Option<Child>,
}

impl Actor {
    pub fn new(
        spec: Service,
        deps: Deps,
        events: mpsc::Sender<ServiceEvent>,
        shown: watch::Sender<Lifecycle>,
    ) -> Self {
        let name = &spec.name;
        let fifo = deps.home.join("fifo").join(name);
        let attachment = Attachment {
            service: name.clone(),
            fifo: fifo.clone(),
            dir: deps.home.join("logs").join(name),
            rotation: spec.log,
        };
        Self {
            policy: Policy {
                restart: spec.restart,
                oneshot: spec.oneshot,
                success_codes: spec.success_codes.clone(),
                stop_grace: spec.stop_grace,
                ready_timeout: spec.ready_timeout,
            },
            mark: Mark::new(name, &deps.home),
            journal: Journal::of(&deps.home, name),
            fifo,
            attachment,
            sink: deps.sink,
            life: Lifecycle::default(),
            run: None,
            runs: 0,
            due: None,
            tasks: Tasks::default(),
            found: mpsc::channel(FINDINGS_WAITING),
            events,
            shown,
            spec: Arc::new(spec),
            output: None,
        }
    }

    /// `when_down` is fed first when nothing of the service runs.
    pub async fn run(mut self, when_down: Input, mut commands: mpsc::Receiver<Command>) {
        self.open_output().await;
        let first = self.take_back().await.unwrap_or(when_down);
        self.feed(first).await;
        let detached = loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command { order: Order::Feed(input), taken }) => {
                        self.feed(input).await;
                        // Whoever asked may have stopped waiting.
                        let _ = taken.map(|taken| taken.send(()));
                    }
                    Some(Command { order: Order::Detach, taken }) => break taken,
                    None => break None,
                },
                Some(found) = self.found.1.recv() => self.hear(found).await,
                () = timer::until(self.due) => self.timer().await,
            }
        };
        // Nothing of it may act any more when this is heard; the child is not touched.
        commands.close();
        drop(self);
        let _ = detached.map(|detached| detached.send(()));
    }

    /// One input and all that follows from it.
    async fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let (next, effects) = step(&self.life, &self.policy, input, steady_clock::now(), fastrand::f64());
            if next != self.life {
                self.life = next;
                self.publish().await;
            }
            for effect in effects {
                inputs.extend(self.perform(effect).await);
            }
            self.accompany();
        }
    }

    async fn publish(&self) {
        tracing::info!(service = self.spec.name, state = ?self.life.state, "now");
        self.shown.send_replace(self.life.clone());
        let event = ServiceEvent { name: self.spec.name.clone(), lifecycle: self.life.clone() };
        // Nobody to tell it to: the agent is ending.
        let _ = self.events.send(event).await;
    }

    async fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Spawn => return Some(self.spawn().await),
            Effect::Terminate => self.signal(signal_of(self.spec.stop_signal)),
            Effect::Kill => self.signal(Signal::KILL),
            Effect::Sweep => self.sweep().await,
            Effect::ProveStopped => self.prove_stopped(),
            Effect::WakeAt(due) => self.due = Some(due),
            Effect::ReportCrash(end) => {
                tracing::warn!(service = self.spec.name, "ended with {}", steady_model::words::end(&end));
            }
        }
        None
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
            News::Ended => {
                let exit = self.run.as_ref().map_or(Exit::Unobserved, Run::exit);
                self.feed(Input::Exited(exit)).await;
                // While it is being stopped, the proof goes on without its leader.
                if let Some(run) = &mut self.run
                    && found.about == About::Process(run.id.clone())
                {
                    run.reap();
                }
            }
            News::Feed(input) => {
                if input == Input::ProvedStopped {
                    self.run = None;
                }
                self.feed(input).await;
            }
        }
    }

    /// What runs beside a state for as long as it lasts.
    fn accompany(&mut self) {
        let asks =
            matches!(self.life.state, State::Starting { process: Some(_), .. } | State::Degraded { .. });
        match (asks, &self.run) {
            (true, Some(run)) if self.tasks.readiness.is_none() => {
                let (spec, found, about) =
                    (self.spec.clone(), self.found.0.clone(), About::Process(run.id.clone()));
                self.tasks.readiness = Some(Task::spawn(async move {
                    ready::until_ready(&spec.ready).await;
                    tell(found, about, News::Feed(Input::ReadinessPassed)).await;
                }));
            }
            (true, Some(_)) => {}
            _ => self.tasks.readiness = None,
        }
        match &self.life.state {
            State::Foreign { owner, .. } if self.tasks.stranger.is_none() => {
                let (owner, found) = (owner.clone(), self.found.0.clone());
                self.tasks.stranger = Some(Task::spawn(async move {
                    port::until_free(&owner).await;
                    tell(found, About::Port, News::Feed(Input::Start)).await;
                }));
            }
            State::Foreign { .. } => {}
            _ => self.tasks.stranger = None,
        }
        if self.run.is_none() {
            self.tasks.exit = None;
            self.tasks.proof = None;
        }
    }

    fn watch(&mut self, run: Run) {
        let (id, found) = (run.id.clone(), self.found.0.clone());
        self.tasks.readiness = None;
        self.tasks.exit = Some(Task::spawn(async move {
            gone(&id).await;
            tell(found, About::Process(id), News::Ended).await;
        }));
        self.run = Some(run);
    }

    fn signal(&self, signal: Signal) {
        if let Some(run) = &self.run
            && let Err(e) = run.group.signal(signal)
        {
            tracing::error!(service = self.spec.name, pid = run.id.pid, "cannot signal its group: {e}");
        }
    }

    async fn sweep(&mut self) {
        if let Some(mut run) = self.run.take() {
            // Before its leader is reaped nobody else can have the group's number.
            if let Err(e) = run.group.signal(Signal::KILL) {
                tracing::error!(service = self.spec.name, pid = run.id.pid, "cannot kill its group: {e}");
            }
            run.reap();
            run.group.sweep().await;
        }
    }

    fn prove_stopped(&mut self) {
        if let Some(run) = &self.run {
            let (group, port, mark) = (run.group.clone(), self.spec.port, self.mark.clone());
            let (found, about) = (self.found.0.clone(), About::Process(run.id.clone()));
            self.tasks.proof = Some(Task::spawn(async move {
                prove(group, port, mark).await;
                tell(found, about, News::Feed(Input::ProvedStopped)).await;
            }));
        }
    }
}

impl Run {
    /// How the leader ended, without reaping it.
    fn exit(&self) -> Exit {
        if self.child.is_none() {
            return Exit::Unobserved;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = pid_of(self.id.pid).and_then(|pid| waitid(WaitId::Pid(pid), options).ok().flatten());
        status.map_or(Exit::Unobserved, |status| {
            let code = status.exit_status().map(Exit::Code);
            code.or_else(|| status.terminating_signal().map(Exit::Signal)).unwrap_or(Exit::Unobserved)
        })
    }

    fn reap(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended: this does not wait, and whoever reaped it before did the same.
            let _ = child.try_wait();
        }
    }
}
