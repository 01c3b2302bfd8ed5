//! What services take: sampled once a minute, every two seconds while somebody looks, and every five seconds for
//! those with a memory limit, which are restarted when they are over it twice in a row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use steady_model::config::{CheckKind, Config};
use steady_model::process::ProcessId;
use steady_model::usage::Usage;
use steady_supervise::ServiceHandle;
use steady_usage::{Memory, Sampler, Subject, over_limit};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::events::Notice;
use crate::registry::Registry;

const UNWATCHED: Duration = Duration::from_secs(60);
const WATCHED: Duration = Duration::from_secs(2);
const LIMITED: Duration = Duration::from_secs(5);
/// From the start of the agent to the first look: services have begun by then.
const FIRST: Duration = Duration::from_secs(5);
/// Samples in a row over the limit until a service is restarted: one may be a peak that passes.
const STRIKES: u32 = 2;

/// Who looks at figures now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lookers(Arc<watch::Sender<usize>>);

/// Somebody looks for as long as this lives.
#[derive(Debug)]
pub struct Looking(Arc<watch::Sender<usize>>);

impl Default for Lookers {
    fn default() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }
}

impl Lookers {
    pub fn look(&self) -> Looking {
        self.0.send_modify(|count| *count += 1);
        Looking(self.0.clone())
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Samples as long as the runtime lives. Nothing but a log line when the system does not tell.
pub fn start(
    services: Registry<ServiceHandle>,
    config: watch::Receiver<Arc<Config>>,
    lookers: &Lookers,
    world: mpsc::Sender<Notice>,
) {
    let looking = lookers.0.subscribe();
    tokio::spawn(show(services.clone(), config.clone(), looking, world));
    tokio::spawn(limit(services, config));
}

async fn show(
    services: Registry<ServiceHandle>,
    config: watch::Receiver<Arc<Config>>,
    mut looking: watch::Receiver<usize>,
    world: mpsc::Sender<Notice>,
) {
    let Some(mut sampler) = sampler() else { return };
    pause(FIRST).await;
    // By now the services are up; from here on the agent mostly rests.
    let mut restless = true;
    loop {
        let watched = *looking.borrow_and_update() > 0;
        let (back, usage, own) = sample_with_own(sampler, leaders(&services, |_| true)).await;
        let Some(back) = back else { return };
        sampler = back;
        if world.send(Notice::Usage(usage)).await.is_err() {
            return;
        }
        if let Some(own) = own
            && world.send(Notice::OwnUsage(own)).await.is_err()
        {
            return;
        }
        if watched {
            restless = true;
            pause(WATCHED).await;
            continue;
        }
        if std::mem::take(&mut restless) {
            steady_footprint::give_back();
        }
        let rest = rest(&config.borrow());
        tokio::select! {
            () = pause(rest) => {}
            // One who begins to look is not shown figures of a minute ago.
            Ok(_) = looking.wait_for(|count| *count > 0) => {}
        }
    }
}

/// Checks of what services take are judged from these samples.
fn rest(config: &Config) -> Duration {
    let checks = config.checks.iter().filter(|c| matches!(c.kind, CheckKind::Usage { .. }));
    checks.map(|c| c.probe.interval).min().unwrap_or(UNWATCHED).clamp(LIMITED, UNWATCHED)
}

async fn limit(services: Registry<ServiceHandle>, mut config: watch::Receiver<Arc<Config>>) {
    let Some(mut sampler) = sampler() else { return };
    let mut excess = Excess::default();
    loop {
        let limits = limits(&config.borrow_and_update());
        if limits.is_empty() {
            if config.changed().await.is_err() {
                return;
            }
            continue;
        }
        pause(LIMITED).await;
        let (back, usage) = sample(sampler, leaders(&services, |name| limits.contains_key(name))).await;
        let Some(back) = back else { return };
        sampler = back;
        for (service, reason) in excess.judge(&usage, &limits) {
            tracing::warn!(service, "takes {reason}");
            let told = services.get(&service).map(|handle| handle.memory_exceeded(reason));
            if let Some(Err(e)) = told {
                tracing::warn!("{e}");
            }
        }
    }
}

/// Counts the samples in a row that were over a limit.
#[derive(Debug, Default)]
struct Excess(BTreeMap<String, u32>);

impl Excess {
    /// The services that have to be restarted, with the reason; their count begins anew.
    fn judge(
        &mut self,
        usage: &BTreeMap<String, Usage>,
        limits: &BTreeMap<String, u64>,
    ) -> Vec<(String, String)> {
        let over: BTreeMap<&String, String> = usage
            .iter()
            .filter_map(|(name, usage)| Some((name, over_limit(usage, *limits.get(name)?)?)))
            .collect();
        self.0.retain(|name, _| over.contains_key(name));
        let mut judged = Vec::new();
        for (name, reason) in over {
            let strikes = self.0.entry(name.clone()).or_default();
            *strikes += 1;
            if *strikes >= STRIKES {
                *strikes = 0;
                judged.push((name.clone(), reason));
            }
        }
        judged
    }
}

fn limits(config: &Config) -> BTreeMap<String, u64> {
    config.services.iter().filter_map(|s| Some((s.name.clone(), s.memory_limit?))).collect()
}

fn leaders(services: &Registry<ServiceHandle>, wanted: impl Fn(&str) -> bool) -> Vec<(String, ProcessId)> {
    services
        .all()
        .into_iter()
        .filter(|handle| wanted(handle.name()))
        .filter_map(|handle| Some((handle.name().to_owned(), handle.lifecycle().process()?.clone())))
        .collect()
}

fn sampler() -> Option<Sampler> {
    Sampler::new().map_err(|e| tracing::warn!("no figures of processes: {e}")).ok()
}

/// The agent's own figures beside those of the services.
async fn sample_with_own(
    sampler: Sampler,
    leaders: Vec<(String, ProcessId)>,
) -> (Option<Sampler>, BTreeMap<String, Usage>, Option<Usage>) {
    let (sampler, usage) = sample(sampler, leaders).await;
    let Some(mut sampler) = sampler else { return (None, usage, None) };
    let looked = spawn_blocking(move || {
        let own = sampler.own(steady_clock::now());
        (sampler, own)
    });
    match looked.await {
        Ok((sampler, own)) => (Some(sampler), usage, own.ok()),
        Err(e) => {
            tracing::error!("looking at this process broke off: {e}");
            (None, usage, None)
        }
    }
}

/// `None` for the sampler when looking broke off.
async fn sample(
    mut sampler: Sampler,
    leaders: Vec<(String, ProcessId)>,
) -> (Option<Sampler>, BTreeMap<String, Usage>) {
    let looked = spawn_blocking(move || {
        let subjects = leaders.iter().map(|(name, leader)| Subject { name, leader, memory: Memory::Exact });
        let usage = sampler.sample(subjects, steady_clock::now());
        (sampler, usage)
    });
    match looked.await {
        Ok((sampler, Ok(usage))) => (Some(sampler), usage),
        Ok((sampler, Err(e))) => {
            tracing::warn!("cannot look at processes: {e}");
            (Some(sampler), BTreeMap::new())
        }
        Err(e) => {
            tracing::error!("looking at processes broke off: {e}");
            (None, BTreeMap::new())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the timer of an adapter")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use steady_model::time::WallTime;

    use super::*;

    fn usage(memory_bytes: u64) -> BTreeMap<String, Usage> {
        let at = WallTime("2026-11-23T00:00:00Z".parse().unwrap());
        let usage = Usage { at, processes: 1, memory_bytes, cpu_ms: 0, cpu_permille: None };
        BTreeMap::from([("brain".to_owned(), usage)])
    }

    #[test]
    fn only_two_samples_in_a_row_over_the_limit_restart_and_then_it_counts_anew() {
        let limits = BTreeMap::from([("brain".to_owned(), 1_000_000_000)]);
        let mut excess = Excess::default();
        let mut ask = |memory| excess.judge(&usage(memory), &limits);
        assert_eq!(ask(1_200_000_000), []);
        assert_eq!(ask(900_000_000), [], "a peak that passed");
        assert_eq!(ask(1_200_000_000), []);
        let judged = ask(1_200_000_000);
        assert_eq!(judged, [("brain".into(), "1.2 GB of memory, its limit is 1.0 GB".into())]);
        assert_eq!(ask(1_200_000_000), [], "the next one has its two samples as well");
        assert_eq!(excess.judge(&BTreeMap::new(), &limits), [], "gone");
        assert_eq!(excess.judge(&usage(1_200_000_000), &limits), []);
    }

    #[test]
    fn lookers_are_counted_until_they_go() {
        let lookers = Lookers::default();
        let count = lookers.0.subscribe();
        let (first, second) = (lookers.look(), lookers.clone().look());
        assert_eq!(*count.borrow(), 2);
        drop(first);
        drop(second);
        assert_eq!(*count.borrow(), 0);
    }
}
