//! The moment of a backup: it waits for jobs that run, for a while, and says which ones ran all the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use steady_backup::{BoxFuture, Circumstances, Progress, Services};
use steady_model::config::Backup as BackupSpec;
use steady_model::time::WallTime;
use steady_model::words;
use steady_sync::JobHandle;
use tokio::sync::Mutex;

use crate::operations::{Idle, Occasion};
use crate::registry::Registry;

/// A lock file in the form of the first users, a pid as its text; an older one is of a process that died.
const REINDEX_LOCK: &str = ".reindex_lock";
const REINDEX_AT_MOST: Duration = Duration::from_secs(600);

/// What the configuration says of the moment.
pub(crate) struct Moment {
    source: PathBuf,
    patience: Duration,
}

impl Moment {
    pub(crate) fn of(spec: Option<&BackupSpec>) -> Self {
        let patience = spec.map(|s| s.capture.wait_for_jobs).unwrap_or_default();
        Self { source: spec.map(|s| s.source.clone()).unwrap_or_default(), patience }
    }

    /// Waits, and tells what the restore point is to say.
    pub(crate) async fn circumstances(
        &self,
        services: Arc<dyn Services>,
        jobs: &Registry<JobHandle>,
        occasion: &Occasion,
        on_progress: &(impl Fn(Progress) + Sync),
    ) -> Circumstances {
        let mut notes: Vec<String> = occasion.note.iter().cloned().collect();
        for job in self.still_running(jobs, occasion.before.as_deref(), on_progress).await {
            let waited = words::span(self.patience);
            notes.push(format!("The job {job} ran while it was taken; it was waited for {waited}."));
        }
        notes.extend(reindex(&self.source, steady_clock::now().wall));
        let quiet = Quieting { services, jobs: jobs.clone(), idle: Mutex::default() };
        Circumstances { notes, services: Some(Arc::new(quiet)) }
    }

    async fn still_running(
        &self,
        jobs: &Registry<JobHandle>,
        waits_for_us: Option<&str>,
        on_progress: &(impl Fn(Progress) + Sync),
    ) -> Vec<String> {
        let mut waiting = tokio::task::JoinSet::new();
        let mut running: Vec<String> = jobs.names();
        running.retain(|name| waits_for_us != Some(name.as_str()));
        for job in jobs.all().into_iter().filter(|job| waits_for_us != Some(job.name())) {
            waiting.spawn(async move {
                job.idle().await;
                job.name().to_owned()
            });
        }
        let all_idle = async {
            while let Some(idle) = waiting.join_next().await {
                running.retain(|name| idle.as_ref().is_ok_and(|idle| idle != name));
                if !running.is_empty() {
                    let phase = format!("waiting for {} to end", running.join(", "));
                    on_progress(Progress::of(phase));
                }
            }
        };
        // Told by the jobs themselves; only the patience is a timer's.
        let _ = tokio::time::timeout(self.patience, all_idle).await;
        running
    }
}

fn reindex(source: &Path, now: WallTime) -> Option<String> {
    let lock = source.join(REINDEX_LOCK);
    let changed = WallTime(std::fs::metadata(&lock).ok()?.modified().ok()?.try_into().ok()?);
    let age = now.since(changed).unwrap_or_default();
    (age < REINDEX_AT_MOST)
        .then(|| format!("A re-index was under way: {REINDEX_LOCK} was {} old.", words::span(age)))
}

/// Stops the services, with no job that could begin meanwhile.
struct Quieting {
    services: Arc<dyn Services>,
    jobs: Registry<JobHandle>,
    idle: Mutex<Option<Idle>>,
}

impl Services for Quieting {
    fn stop<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let idle = Idle::all(&self.jobs).await.map_err(|e| e.to_string())?;
            *self.idle.lock().await = Some(idle);
            self.services.stop(names).await
        })
    }

    fn start_and_wait_healthy<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let started = self.services.start_and_wait_healthy(names).await;
            self.idle.lock().await.take();
            started
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reindex_that_runs_is_told_and_a_lock_left_by_a_dead_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = steady_clock::now().wall;
        assert_eq!(reindex(dir.path(), now), None);
        std::fs::write(dir.path().join(REINDEX_LOCK), "4711").unwrap();
        assert!(reindex(dir.path(), now).unwrap().contains(".reindex_lock"));
        assert_eq!(reindex(dir.path(), now.after(Duration::from_secs(700))), None);
    }

    fn jobs(dir: &Path, command: &str) -> Registry<JobHandle> {
        let text = format!(
            "version = 1\n[job.sync]\ncommand = [\"sh\", \"-c\", \"{command}\"]\nmarkers = \".\"\nevery = \"6h\"\n\
             [backup]\nsource = \"data\"\nwait_for_jobs = \"300ms\"\n"
        );
        let roots = steady_model::config::Roots { base: dir, user_home: None };
        let config = steady_model::config::parse(&text, Path::new("steady.toml"), roots).unwrap();
        let (events, mut told) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let jobs = Registry::default();
        jobs.put("sync", steady_sync::job(config.jobs[0].clone(), &dir.join("home"), events));
        jobs
    }

    struct Nothing;
    impl Services for Nothing {
        fn stop<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(async { Ok(()) })
        }
        fn start_and_wait_healthy<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_backup_waits_for_a_job_and_says_so_when_its_patience_ends() {
        let dir = tempfile::tempdir().unwrap();
        let jobs = jobs(dir.path(), "while [ ! -e go ]; do sleep 0.02; done");
        let job = jobs.get("sync").unwrap();
        job.idle().await;
        job.run_now().await.unwrap();
        let moment = |patience| Moment { source: dir.path().to_owned(), patience };
        let short = Duration::from_millis(300);
        let hurried =
            moment(short).circumstances(Arc::new(Nothing), &jobs, &Occasion::default(), &|_| {}).await;
        assert_eq!(hurried.notes.len(), 1, "{:?}", hurried.notes);
        assert!(hurried.notes[0].starts_with("The job sync ran while it was taken"), "{:?}", hurried.notes);
        // What must not be written meanwhile is not copied in quiet while a job may write.
        let services = hurried.services.unwrap();
        assert!(services.stop(&[]).await.unwrap_err().contains("sync"), "a running job was overlooked");

        std::fs::write(dir.path().join("go"), "").unwrap();
        let patient = moment(Duration::from_secs(30))
            .circumstances(Arc::new(Nothing), &jobs, &Occasion::default(), &|_| {})
            .await;
        assert_eq!(patient.notes, Vec::<String>::new());
        let services = patient.services.unwrap();
        services.stop(&[]).await.unwrap();
        assert!(job.run_now().await.is_err(), "a job began while the data was copied in quiet");
        services.start_and_wait_healthy(&[]).await.unwrap();
        let started = async {
            while job.run_now().await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), started).await.expect("the job stayed paused");
        // Its file must not go before it has seen it.
        job.idle().await;
    }
}
