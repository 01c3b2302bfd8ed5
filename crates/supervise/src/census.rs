//! All processes that carry a mark, read in one pass for all services that begin together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steady_model::time::AwakeInstant;

use crate::environment::Mark;
use crate::process_info::{self, Seen};

/// A pass is good for services that begin within this time of each other. What it found is looked at again before
/// it is used, and a service that is down starts no process that it could lack.
const GOOD_FOR: Duration = Duration::from_secs(3);

/// One look at all processes, taken when the first asks. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Census(Arc<Mutex<Option<Pass>>>);

#[derive(Debug)]
struct Pass {
    at: AwakeInstant,
    found: Arc<Vec<Marked>>,
}

#[derive(Debug)]
struct Marked {
    process: Seen,
    mark: Mark,
    run: u64,
}

impl Census {
    /// The living processes with this mark, oldest first, with their runs. Blocking.
    pub(crate) fn of(&self, mark: &Mark) -> Vec<(Seen, u64)> {
        let found = self.pass();
        let mut ours: Vec<(Seen, u64)> =
            found.iter().filter(|m| m.mark == *mark).map(|m| (m.process.clone(), m.run)).collect();
        ours.retain(|(was, _)| {
            process_info::look(was.id.pid).is_some_and(|seen| seen.id == was.id && seen.alive)
        });
        ours
    }

    fn pass(&self) -> Arc<Vec<Marked>> {
        let mut pass = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = steady_clock::now().awake;
        if let Some(known) = pass.as_ref().filter(|known| now.since(known.at) < GOOD_FOR) {
            return known.found.clone();
        }
        let found = Arc::new(all());
        *pass = Some(Pass { at: steady_clock::now().awake, found: found.clone() });
        found
    }
}

fn all() -> Vec<Marked> {
    let mut seen = process_info::all().map(|all| all.to_vec()).unwrap_or_default();
    seen.retain(|seen| seen.alive);
    seen.sort_by_key(|seen| (seen.id.started, seen.id.pid));
    let marked = |process: Seen| Mark::of(process.id.pid).map(|(mark, run)| Marked { process, mark, run });
    seen.into_iter().filter_map(marked).collect()
}
