//! How a service comes to run: its output, what an earlier agent left, the spawn.

use std::path::PathBuf;
use std::time::Duration;

use steady_logs::{Attachment, SinkClient, SinkError, make_fifo, open_fifo};
use steady_model::process::{PortOwner, ProcessId};
use steady_model::service::Input;
use tokio::task::spawn_blocking;

use super::{Actor, Run};
use crate::adopt::{self, Earlier, noted};
use crate::error::SuperviseError;
use crate::journal::Entry;
use crate::port::Listeners;
use crate::process_info::Seen;
use crate::stop::Group;
use crate::tasks::Task;
use crate::{port, process_info, spawn, timer};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Actor {
    /// Makes the FIFO, and has the sink drain it; in the background when the sink does not answer.
    pub(super) async fn open_output(&mut self) {
        let fifo = self.fifo.clone();
        let opened = spawn_blocking(move || {
            if let Some(dir) = fifo.parent() {
                steady_disk::create_private_dir(dir)?;
            }
            make_fifo(&fifo)?;
            Ok::<_, SuperviseError>(open_fifo(&fifo, true)?)
        });
        match opened.await {
            Ok(Ok(output)) => self.output = Some(output),
            // The spawn will fail on it too, and say so in the state.
            Ok(Err(e)) => tracing::error!(service = self.spec.name, "{e}"),
            Err(_) => {}
        }
        let (sink, attachment) = (self.sink.clone(), self.attachment.clone());
        self.tasks.output = Some(Task::spawn(attach(sink, attachment)));
    }

    /// What an earlier agent left: the service itself, or a group to sweep before the start.
    pub(super) async fn take_back(&mut self) -> Option<Input> {
        let (mark, journal) = (self.mark.clone(), self.journal.clone());
        let found = spawn_blocking(move || {
            let entry = journal.read();
            let earlier = adopt::find(entry.as_ref().ok().and_then(Option::as_ref), &mark);
            (entry, earlier)
        });
        let Ok((entry, earlier)) = found.await else { return None };
        match entry {
            Ok(entry) => self.runs = entry.map_or(0, |entry| entry.run),
            // Ignored: the mark finds what it would have named.
            Err(e) => tracing::warn!(service = self.spec.name, "{e}"),
        }
        match earlier {
            Earlier::Running { process: Seen { id, .. }, unwritten } => {
                if let Some(run) = unwritten {
                    self.runs = run;
                    let exe = process_info::argv(id.pid).and_then(|argv| argv.into_iter().next());
                    self.write_journal(&id, exe.unwrap_or_default().into()).await;
                }
                self.watch(Run { id: id.clone(), group: Group::of(id.clone()), child: None });
                Some(Input::Adopted(id))
            }
            Earlier::Orphans(group) => {
                tracing::warn!(service = self.spec.name, ?group, "its leader is dead, ending what it left");
                group.sweep().await;
                None
            }
            Earlier::Nothing => None,
        }
    }

    pub(super) async fn spawn(&mut self) -> Input {
        self.runs += 1;
        let (spec, mark, run, fifo) = (self.spec.clone(), self.mark.clone(), self.runs, self.fifo.clone());
        let spawned = spawn_blocking(move || {
            if let Some(owner) = spec.port.and_then(stranger) {
                return Err(Input::PortTaken(owner));
            }
            spawn::spawn(&spec, &mark, run, &fifo).map_err(|e| Input::SpawnFailed(e.to_string()))
        });
        let (child, exe) = match spawned.await {
            Ok(Ok(spawned)) => spawned,
            Ok(Err(input)) => return input,
            Err(_) => return Input::SpawnFailed("the agent is shutting down".to_owned()),
        };
        // An unreaped child is always there to be seen, also when it has ended.
        let started = process_info::look(child.id()).map_or(0, |seen| seen.id.started);
        let id = ProcessId { pid: child.id(), started };
        self.watch(Run { id: id.clone(), group: Group::of(id.clone()), child: Some(child) });
        self.write_journal(&id, exe).await;
        Input::Spawned(id)
    }

    async fn write_journal(&self, id: &ProcessId, exe: PathBuf) {
        let (journal, spec) = (self.journal.clone(), self.spec.clone());
        let (id, run) = (id.clone(), self.runs);
        let written = spawn_blocking(move || match process_info::boot_id() {
            Ok(boot) => noted(&spec.name, journal.write(&Entry::new(&spec, boot, id, run, exe))),
            // Without it, the mark still tells the next agent what is ours.
            Err(e) => tracing::warn!(service = spec.name, "cannot read the boot id: {e}"),
        });
        let _ = written.await;
    }
}

fn stranger(number: u16) -> Option<PortOwner> {
    match port::listeners(number) {
        Listeners::Nobody => None,
        Listeners::Taken(pids) => Some(port::describe(number, pids.first().copied())),
    }
}

async fn attach(sink: SinkClient, attachment: Attachment) {
    let mut wait = FIRST_PAUSE;
    loop {
        let (client, at) = (sink.clone(), attachment.clone());
        match spawn_blocking(move || client.attach(&at)).await {
            Ok(Ok(()) | Err(SinkError::Closed { .. })) | Err(_) => return,
            Ok(Err(e)) => tracing::error!("{e}"),
        }
        timer::pause(wait).await;
        wait = (wait * 2).min(LONGEST_PAUSE);
    }
}
