//! How a service comes to run: its output, the look at its port, the start.

use std::sync::Arc;
use std::time::Duration;

use steady_logs::{Attachment, SinkClient, SinkError, make_fifo, open_fifo};
use steady_model::config::Readiness;
use steady_model::process::{PortOwner, ProcessId};
use steady_model::service::Input;
use steady_model::time::WallTime;
use tokio::sync::Semaphore;
use tokio::task::{block_in_place, spawn_blocking};

use super::hands::Hands;
use super::memory::write;
use super::{Actor, Run};
use crate::environment::Mark;
use crate::error::SuperviseError;
use crate::journal::{Entry, Journal};
use crate::manager::{Child, Manager};
use crate::port::Listeners;
use crate::process_info::{self, Seen};
use crate::ready::{LogWatch, drained};
use crate::tasks::Task;
use crate::{port, stray, timer};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often what an earlier run left on the port is killed before a person is asked.
const SWEEPS: u32 = 3;

/// What became of a start.
enum Start {
    Runs(Box<Started>),
    /// It ran already, under a manager that had started it by itself.
    Found(ProcessId),
    /// What earlier runs left holds the port.
    Left(Vec<Seen>, PortOwner),
    Taken(PortOwner),
    Failed(String),
}

struct Started {
    id: ProcessId,
    leads: bool,
    since: Option<WallTime>,
    /// What was written down, for a child.
    entry: Option<Entry>,
    log: Option<LogWatch>,
}

impl Actor {
    /// Makes the FIFO, and has the sink drain it; in the background when the sink does not answer.
    pub(super) async fn open_output(&mut self) {
        let Hands::Own(_) = &self.hands else { return };
        let fifo = self.attachment.fifo.clone();
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
        self.attach();
    }

    pub(super) fn attach(&mut self) {
        if let Hands::Own(_) = &self.hands {
            let (sink, attachment) = (self.sink.clone(), self.attachment.clone());
            self.tasks.output = Some(Task::spawn(attach(sink, attachment)));
        }
    }

    /// Looks at the port, ends what is left of earlier runs there, and starts.
    pub(super) async fn spawn(&mut self) -> Input {
        if let (Readiness::Log { .. }, Some(output)) = (&self.spec.ready, &self.output) {
            drained(output).await;
        }
        let mut sweeps = 0;
        loop {
            match self.attempt().await {
                Start::Runs(started) => return self.runs(*started).await,
                Start::Found(id) => {
                    self.watch(Run::new(id.clone()));
                    return Input::Adopted(id);
                }
                Start::Left(left, _) if sweeps < SWEEPS => {
                    sweeps += 1;
                    stray::kill(&left).await;
                }
                Start::Left(_, owner) | Start::Taken(owner) => return Input::PortTaken(owner),
                Start::Failed(why) => return Input::SpawnFailed(why),
            }
        }
    }

    async fn attempt(&mut self) -> Start {
        let look = Look { port: self.spec.port, mark: self.mark.clone() };
        let (spec, dir) = (self.spec.clone(), self.attachment.dir.clone());
        match self.hands.clone() {
            Hands::Own(child) => {
                let journal = &self.memory.journal;
                let (streak, looping) = (self.life.streak, self.life.looping);
                let entry = Entry { streak, looping, ..self.memory.entry.clone() };
                // On this thread: to wake another one would take a good part of a restart's time.
                let start = block_in_place(|| {
                    if let Some(start) = look.obstacle() {
                        return start;
                    }
                    let log = LogWatch::open(&spec.ready, &dir);
                    start_child(&child, journal, &entry, log)
                });
                self.tell().await;
                start
            }
            Hands::Other(manager) => {
                let starting =
                    spawn_blocking(move || start_other(&manager, &look, LogWatch::open(&spec.ready, &dir)));
                // Meanwhile: whoever hears it may be slow, and the service is not to wait for that.
                self.tell().await;
                starting.await.unwrap_or_else(|_| Start::Failed("the agent is shutting down".to_owned()))
            }
        }
    }

    async fn runs(&mut self, started: Started) -> Input {
        let Started { id, leads, since, entry, log } = started;
        let number = entry.as_ref().map_or(0, |entry| entry.run);
        if let Some(entry) = entry {
            self.memory.entry = entry;
            // What was said of the process before is over with it.
            self.warn(None);
        }
        self.watch(Run { number, started: since, leads, log, ..Run::new(id.clone()) });
        self.ask_for_warnings().await;
        Input::Spawned(id)
    }

    /// What a manager of another kind has to say about its definition.
    pub(super) async fn ask_for_warnings(&mut self) {
        if let Hands::Other(manager) = &self.hands {
            let manager = manager.clone();
            if let Ok(warning) = spawn_blocking(move || manager.warning()).await {
                self.warn(warning);
                self.tell().await;
            }
        }
    }
}

/// Whether something is in the way of a start. Blocking.
struct Look {
    port: Option<u16>,
    mark: Mark,
}

impl Look {
    fn obstacle(&self) -> Option<Start> {
        let number = self.port?;
        let Listeners::Taken(pids) = port::listeners(number) else { return None };
        let left = stray::marked(pids.iter().copied(), &self.mark);
        let stranger = pids.iter().find(|pid| !left.iter().any(|seen| seen.id.pid == **pid));
        Some(match (left.first(), stranger) {
            (Some(first), None) => {
                let owner = PortOwner { ours: true, ..port::describe(number, Some(first.id.pid)) };
                Start::Left(left, owner)
            }
            (_, stranger) => Start::Taken(port::describe(number, stranger.copied())),
        })
    }
}

fn start_child(child: &Arc<Child>, journal: &Journal, entry: &Entry, log: Option<LogWatch>) -> Start {
    let spawned = match child.spawn() {
        Ok(spawned) => spawned,
        Err(e) => return Start::Failed(e.to_string()),
    };
    let entry = match process_info::boot_id() {
        Ok(boot) => {
            let log_from = log.as_ref().map(LogWatch::position);
            let entry = Entry { log_from, ..entry.started(boot, &spawned) };
            write(journal, &entry);
            entry
        }
        // Without it, the mark still tells the next agent what is ours.
        Err(e) => {
            tracing::warn!(service = entry.service, "cannot read the boot id: {e}");
            entry.started(String::new(), &spawned)
        }
    };
    let since = Some(entry.spawned);
    Start::Runs(Box::new(Started { id: spawned.id, leads: true, since, entry: Some(entry), log }))
}

/// `log` is watched from before the start: what a generated unit runs writes to it as a child does.
fn start_other(manager: &Arc<dyn Manager>, look: &Look, log: Option<LogWatch>) -> Start {
    match manager.find() {
        Ok(Some(id)) => return Start::Found(id),
        Ok(None) => {}
        Err(e) => return Start::Failed(e.to_string()),
    }
    if let Some(start) = look.obstacle() {
        return start;
    }
    match manager.start() {
        Ok(id) => {
            let leads = process_info::look(id.pid).is_some_and(|seen| seen.group == id.pid);
            let since = process_info::since(id.pid);
            Start::Runs(Box::new(Started { id, leads, since, entry: None, log }))
        }
        Err(e) => Start::Failed(e.to_string()),
    }
}

/// A thousand services that wait for the sink must leave threads to those that start.
static ATTACHING: Semaphore = Semaphore::const_new(2);

async fn attach(sink: SinkClient, attachment: Attachment) {
    let mut wait = FIRST_PAUSE;
    loop {
        let (client, at) = (sink.clone(), attachment.clone());
        let turn = ATTACHING.acquire().await;
        let attached = spawn_blocking(move || client.attach(&at)).await;
        drop(turn);
        match attached {
            Ok(Ok(()) | Err(SinkError::Closed { .. })) | Err(_) => return,
            Ok(Err(e)) => tracing::error!("{e}"),
        }
        timer::pause(wait).await;
        wait = (wait * 2).min(LONGEST_PAUSE);
    }
}
