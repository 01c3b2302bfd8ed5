//! What an earlier agent left, and what a person had wanted of it.

use std::sync::Arc;

use steady_model::config;
use steady_model::process::ProcessId;
use steady_model::service::{Input, State, StopReason};
use steady_model::time::WallTime;
use tokio::task::spawn_blocking;

use super::hands::Hands;
use super::memory::write;
use super::{Actor, Run};
use crate::adopt::Earlier;
use crate::journal::Wanted;
use crate::manager::{Child, Manager, Spawned};
use crate::stop::{Group, signal_of};
use crate::{adopt, process_info};

impl Actor {
    /// Takes the service back, or ends what is left of it; says what to feed first. `when_down` is for what does
    /// not run and may.
    pub(super) async fn take_back(&mut self, when_down: Input) -> Vec<Input> {
        self.recall().await;
        let wanted = self.memory.entry.wanted;
        if let Some(id) = self.find().await {
            let same = self.memory.entry.process.as_ref() == Some(&id);
            return match wanted {
                Wanted::Up => vec![Input::Adopted(id)],
                // What was under way is finished.
                Wanted::Down => vec![Input::Adopted(id), Input::Stop],
                Wanted::Anew if same => vec![Input::Adopted(id), Input::Restart],
                Wanted::Anew => {
                    self.want(Wanted::Up).await;
                    vec![Input::Adopted(id)]
                }
            };
        }
        if wanted == Wanted::Down {
            return vec![Input::Stop];
        }
        let this_boot = process_info::boot_id().is_ok_and(|boot| boot == self.memory.entry.boot_id);
        if this_boot {
            (self.life.streak, self.life.looping) = (self.memory.entry.streak, self.memory.entry.looping);
        }
        if let Some(exit) = self.memory.entry.completed.filter(|_| this_boot && self.spec.oneshot) {
            let reason = StopReason::Completed(exit);
            self.life.state = State::Stopped { since: steady_clock::now().wall, reason };
            self.changed();
            self.tell().await;
            return vec![];
        }
        vec![when_down]
    }

    async fn recall(&mut self) {
        let journal = self.memory.journal.clone();
        match spawn_blocking(move || journal.read()).await {
            Ok(Ok(Some(entry))) => self.memory.entry = entry,
            Ok(Ok(None)) | Err(_) => {}
            // Ignored: the mark finds what it would have named.
            Ok(Err(e)) => tracing::warn!(service = self.spec.name, "{e}"),
        }
    }

    async fn find(&mut self) -> Option<ProcessId> {
        match self.hands.clone() {
            Hands::Own(child) => self.find_child(child).await,
            Hands::Other(manager) => self.find_under(manager).await,
        }
    }

    async fn find_child(&mut self, child: Arc<Child>) -> Option<ProcessId> {
        let (census, entry) = (self.census.clone(), self.memory.entry.clone());
        let (journal, service) = (self.memory.journal.clone(), self.spec.name.clone());
        let found = spawn_blocking(move || match child.take_back(Some(&entry), &census) {
            Earlier::Running { process, unwritten: Some(run) } => {
                let exe = process_info::argv(process.id.pid).and_then(|argv| argv.into_iter().next());
                let spawned = Spawned { id: process.id, run, exe: exe.unwrap_or_default().into() };
                let boot = process_info::boot_id().unwrap_or_default();
                let entry = crate::journal::Entry { service, ..entry.started(boot, &spawned) };
                write(&journal, &entry);
                (Some((spawned.id, entry, None)), None)
            }
            Earlier::Running { process, unwritten: None } => {
                let outdated = entry.outdated();
                (Some((process.id, entry, outdated)), None)
            }
            Earlier::Orphans(group) => (None, Some(group)),
            Earlier::Nothing => (None, None),
        });
        let (running, orphans) = found.await.ok()?;
        if let Some(group) = orphans {
            tracing::warn!(service = self.spec.name, ?group, "its leader is dead, ending what it left");
            group.sweep().await;
        }
        let (id, entry, outdated) = running?;
        self.warn(outdated);
        let (run, since) = (entry.run, entry.spawned);
        self.memory.entry = entry;
        self.take_up(id.clone(), run, Some(since), true);
        Some(id)
    }

    async fn find_under(&mut self, manager: Arc<dyn Manager>) -> Option<ProcessId> {
        let entry = self.memory.entry.clone();
        let found = spawn_blocking(move || {
            let found = manager.find();
            let left = adopt::leader_of(&entry);
            let seen = found.as_ref().ok().and_then(Option::as_ref).map(|id| {
                let leads = process_info::look(id.pid).is_some_and(|seen| seen.group == id.pid);
                (leads, process_info::since(id.pid))
            });
            (found, seen, left)
        });
        let (found, seen, left) = found.await.ok()?;
        if let Some(left) = left.filter(|left| !matches!(&found, Ok(Some(id)) if *id == left.id)) {
            self.end_former_child(left.id).await;
        }
        match found {
            Ok(Some(id)) => {
                let (leads, since) = seen.unwrap_or_default();
                self.take_up(id.clone(), 0, since, leads);
                Some(id)
            }
            Ok(None) => None,
            Err(e) => {
                self.warn(Some(e.to_string()));
                None
            }
        }
    }

    /// It ran under Steady itself before the configuration gave it to another manager: one copy is enough.
    async fn end_former_child(&mut self, id: ProcessId) {
        tracing::warn!(service = self.spec.name, pid = id.pid, "ending it, another manager is to run it now");
        let group = Group::of(id);
        if let Err(e) = group.signal(signal_of(self.spec.stop_signal)) {
            tracing::error!(service = self.spec.name, "cannot signal its group: {e}");
        }
        if tokio::time::timeout(self.spec.stop_grace, group.empty()).await.is_err() {
            group.sweep().await;
        }
    }

    /// A process that somebody else had started is this service's now.
    fn take_up(&mut self, id: ProcessId, number: u64, started: Option<WallTime>, leads: bool) {
        let was_ready = self.memory.entry.ready && self.spec.manager == config::Manager::Child;
        self.watch(Run { number, started, leads, was_ready, ..Run::new(id) });
    }
}
