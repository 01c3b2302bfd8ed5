//! How a service's process ends: signals, the end itself, what is left of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use steady_launch::{Environment, Redactor};
use steady_model::process::{Exit, ProcessId};
use steady_model::service::{Effect, End, Input, State, StopReason};
use tokio::task::spawn_blocking;

use super::hands::Hands;
use super::{Actor, Untold};
use crate::event::Crash;
use crate::manager::{Manager, ManagerError};
use crate::stop::Group;
use crate::tasks::{About, News, Task, tell};
use crate::{stray, timer};

/// A process that goes to the background needs a moment from its parent's end until it has left the group.
const LEAVING: Duration = Duration::from_millis(20);
const LOOKS: u32 = 10;

impl Actor {
    /// [`Effect::Terminate`] or [`Effect::Kill`].
    pub(super) fn signal(&mut self, effect: &Effect) {
        let Some(run) = &self.run else { return };
        let id = run.id.clone();
        let kill = *effect == Effect::Kill;
        let act = move |manager: &dyn Manager, id: &ProcessId| -> Result<(), ManagerError> {
            if kill { manager.kill(id) } else { manager.terminate(id) }
        };
        match &self.hands {
            Hands::Own(child) => {
                if let Err(e) = act(&**child, &id) {
                    tracing::error!(service = self.spec.name, "{e}");
                }
            }
            // It may take its time, and meanwhile the grace goes on.
            Hands::Other(manager) => {
                let (manager, found) = (manager.clone(), self.found.0.clone());
                self.tasks.order = Some(Task::spawn(async move {
                    let about = About::Process(id.clone());
                    let done = spawn_blocking(move || act(&*manager, &id)).await;
                    if let Ok(Err(e)) = done {
                        tell(found, about, News::Failed(e.to_string())).await;
                    }
                }));
            }
        }
    }

    /// The leader has ended. While it is being stopped, the proof goes on without it.
    pub(super) async fn ended(&mut self) {
        let Some(run) = &mut self.run else { return };
        run.end = None;
        let (id, number) = (run.id.clone(), run.number);
        let exit = self.exit().await;
        let stopping = matches!(self.life.state, State::Stopping { .. });
        let left = match &self.hands {
            Hands::Own(_) if exit == Exit::Code(0) && !stopping && !self.spec.oneshot => {
                self.left_behind(&id, number).await
            }
            _ => None,
        };
        if let (true, Hands::Own(child)) = (stopping, &self.hands) {
            // The proof goes on without it; before, it would count as a member.
            child.reap();
        }
        self.feed(left.map_or(Input::Exited(exit), |pid| Input::WentToBackground { pid })).await;
    }

    async fn exit(&mut self) -> Exit {
        match &self.hands {
            Hands::Own(child) => child.last_exit().unwrap_or(Exit::Unobserved),
            Hands::Other(manager) => {
                let manager = manager.clone();
                let exit = spawn_blocking(move || manager.last_exit()).await;
                exit.ok().flatten().unwrap_or(Exit::Unobserved)
            }
        }
    }

    /// The oldest process of this run that lives outside its group, after a leader that ended well.
    ///
    /// Nobody tells when a process leaves its group: while members live, it is looked a few times.
    async fn left_behind(&mut self, leader: &ProcessId, number: u64) -> Option<u32> {
        for look in 0..LOOKS {
            if look > 0 {
                timer::pause(LEAVING).await;
            }
            let (mark, leader) = (self.mark.clone(), leader.pid);
            let mut living = spawn_blocking(move || stray::of_run(&mark, number)).await.ok()?;
            living.retain(|seen| seen.id.pid != leader);
            if let Some(outside) = living.iter().find(|seen| seen.group != leader) {
                return Some(outside.id.pid);
            }
            if living.is_empty() {
                return None;
            }
        }
        None
    }

    /// Ends what the dead leader left behind.
    pub(super) async fn sweep(&mut self) {
        let Some(run) = self.run.take() else { return };
        let group = run.leads.then(|| Group::of(run.id.clone()));
        let killed = match (&group, &self.hands) {
            (Some(group), Hands::Own(child)) if child.holds(&run.id) => {
                let killed = group.kill_before_reaping();
                child.reap();
                killed
            }
            (Some(group), _) => group.signal(Signal::KILL),
            (None, _) => Ok(()),
        };
        if let Err(e) = killed {
            tracing::error!(service = self.spec.name, pid = run.id.pid, "cannot kill its group: {e}");
        }
        if let Some(group) = group.filter(|group| !group.has_vanished()) {
            self.tell().await;
            group.sweep().await;
        }
        if matches!(
            &self.life.state,
            State::Stopped { reason: StopReason::Ended(End::Background { .. }), .. }
        ) {
            self.tell().await;
            let mark = self.mark.clone();
            let strays = spawn_blocking(move || stray::of_run(&mark, run.number)).await;
            stray::kill(&strays.unwrap_or_default()).await;
        }
    }

    /// Told with the next change, when it holds up nothing.
    pub(super) fn crashed(&mut self, end: End) {
        let now = steady_clock::now().wall;
        let run = self.run.as_ref();
        // The step counts it at once when it is over, and only after the stop when we end it.
        let counted = matches!(
            self.life.state,
            State::Starting { .. } | State::Backoff { .. } | State::CrashLoop { .. }
        );
        let started = run.and_then(|run| run.started);
        let crash = Crash {
            end,
            at: now,
            pid: run.map(|run| run.id.pid),
            started,
            uptime: started.and_then(|started| now.since(started)),
            streak: self.life.streak + u32::from(!counted),
            run: run.map_or(0, |run| run.number),
            command: self.spec.command.clone(),
            cwd: self.spec.cwd.clone(),
            env: BTreeMap::new(),
            redactor: Arc::new(Redactor::default()),
        };
        let environment = match &self.hands {
            Hands::Own(child) => child.known_environment(),
            Hands::Other(_) => None,
        };
        self.untold.push(Untold::Crash { crash: Box::new(crash), environment });
    }

    /// Asks for the service's environment. Blocking.
    pub(super) fn environment(&self) -> impl FnOnce() -> Option<Arc<Environment>> + Send + 'static {
        let (hands, spec) = (self.hands.clone(), self.spec.clone());
        move || match hands {
            Hands::Own(child) => child.environment(),
            Hands::Other(_) => steady_launch::environment(&spec.env, []).ok().map(Arc::new),
        }
    }

    /// What a person should know; said when it is another than before.
    pub(super) fn warn(&mut self, warning: Option<String>) {
        if self.warning == warning {
            return;
        }
        if let Some(words) = &warning {
            tracing::warn!(service = self.spec.name, "{words}");
        }
        self.warning.clone_from(&warning);
        let name = self.spec.name.clone();
        self.untold.push(Untold::Event(crate::ServiceEvent::Warning { name, warning }));
    }
}
