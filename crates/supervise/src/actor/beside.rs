//! What runs beside a state for as long as it lasts.

use steady_model::service::{Input, State};

use super::Actor;
use super::hands::Hands;
use crate::ready::Question;
use crate::stop::{Group, Proof, signal_of};
use crate::tasks::{About, Task, feed};
use crate::{port, stop};

impl Actor {
    pub(super) fn accompany(&mut self) {
        self.ask_whether_ready();
        self.watch_stranger();
        self.prove_stopped();
    }

    fn ask_whether_ready(&mut self) {
        let asks =
            matches!(self.life.state, State::Starting { process: Some(_), .. } | State::Degraded { .. });
        if !asks || self.run.is_none() {
            self.tasks.readiness = None;
            return;
        }
        if self.tasks.readiness.is_some() {
            return;
        }
        let environment = self.environment();
        let Some(run) = &mut self.run else { return };
        let (about, found) = (About::Process(run.id.clone()), self.found.0.clone());
        let question = Question {
            readiness: self.spec.ready.clone(),
            cwd: self.spec.cwd.clone(),
            log_dir: self.attachment.dir.clone(),
            log: run.log.take(),
            log_from: self.memory.entry.log_from.clone(),
            was_ready: run.was_ready,
        };
        self.tasks.readiness = Some(Task::spawn(async move {
            question.until_ready(environment).await;
            feed(found, about, Input::ReadinessPassed).await;
        }));
    }

    fn watch_stranger(&mut self) {
        match &self.life.state {
            State::Foreign { owner, .. } if self.tasks.stranger.is_none() => {
                let (owner, found) = (owner.clone(), self.found.0.clone());
                self.tasks.stranger = Some(Task::spawn(async move {
                    port::until_free(&owner).await;
                    feed(found, About::Port, Input::Start).await;
                }));
            }
            State::Foreign { .. } => {}
            _ => self.tasks.stranger = None,
        }
    }

    /// Begins when the leader has ended: before, there is nothing to prove.
    fn prove_stopped(&mut self) {
        let (State::Stopping { .. }, Some(run)) = (&self.life.state, &self.run) else {
            self.tasks.proof = None;
            return;
        };
        if run.end.is_some() || self.tasks.proof.is_some() {
            return;
        }
        let proof = Proof {
            group: run.leads.then(|| Group::of(run.id.clone())),
            port: self.spec.port,
            mark: self.mark.clone(),
            signal: signal_of(self.spec.stop_signal),
            grace: self.spec.stop_grace,
        };
        let (about, found, hands) =
            (About::Process(run.id.clone()), self.found.0.clone(), self.hands.clone());
        self.tasks.proof = Some(Task::spawn(async move {
            if let Hands::Other(manager) = hands {
                stop::until_manager_lets_go(manager).await;
            }
            proof.hold().await;
            feed(found, about, Input::ProvedStopped).await;
        }));
    }
}
