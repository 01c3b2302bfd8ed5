//! Which processes are a service's. Pure.

use std::collections::{BTreeMap, BTreeSet};

use steady_model::process::ProcessId;

use crate::Process;

/// The processes of each leader, in the order of `leaders`; none is counted for two.
///
/// A group whose number was given to a stranger is told by its leader's start time: nothing can be of a service and
/// older than its leader, and a process with the leader's pid and another start is the stranger.
pub fn members<'a>(all: &'a [Process], leaders: &[&ProcessId]) -> Vec<Vec<&'a Process>> {
    let mut by_pid = BTreeMap::new();
    let mut by_group: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
    let mut by_parent: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
    for process in all {
        by_pid.insert(process.id.pid, process);
        by_group.entry(process.group).or_default().push(process);
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut found: Vec<Vec<&Process>> = Vec::new();
    // All groups before all descendants: a service that another one started is its own.
    for leader in leaders {
        let stranger = by_pid.get(&leader.pid).is_some_and(|process| process.id != **leader);
        let group = by_group.get(&leader.pid).filter(|_| !stranger).map_or(&[][..], Vec::as_slice);
        // The leader itself, should it have joined another group.
        let first = by_pid.get(&leader.pid).copied().filter(|_| !stranger);
        let ours = first.into_iter().chain(group.iter().copied());
        let ours = ours.filter(|p| p.id.started >= leader.started && taken.insert(p.id.pid));
        found.push(ours.collect());
    }
    for ours in &mut found {
        let mut at = 0;
        while let Some(parent) = ours.get(at).map(|process| process.id.pid) {
            let children = by_parent.get(&parent).map_or(&[][..], Vec::as_slice);
            ours.extend(children.iter().copied().filter(|child| taken.insert(child.id.pid)));
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn process((pid, parent, group, started): (u32, u32, u32, u64)) -> Process {
        let id = ProcessId { pid, started };
        Process { id, parent, group, alive: true, own: Duration::ZERO, children: Duration::ZERO }
    }

    fn found(all: &[(u32, u32, u32, u64)], leaders: &[(u32, u64)]) -> Vec<Vec<u32>> {
        let all: Vec<_> = all.iter().copied().map(process).collect();
        let leaders: Vec<_> =
            leaders.iter().map(|(pid, started)| ProcessId { pid: *pid, started: *started }).collect();
        let found = members(&all, &leaders.iter().collect::<Vec<_>>());
        found.iter().map(|ours| ours.iter().map(|process| process.id.pid).collect()).collect()
    }

    #[test]
    fn the_group_and_descendants_that_left_it_are_of_the_service() {
        let all = [
            (1, 0, 1, 0),
            (10, 1, 10, 5),
            (11, 10, 10, 6),
            (12, 1, 10, 6),
            (13, 11, 13, 7),
            (14, 13, 13, 8),
            (20, 1, 20, 5),
        ];
        assert_eq!(found(&all, &[(10, 5), (20, 5)]), [vec![10, 11, 12, 13, 14], vec![20]]);
    }

    #[test]
    fn what_a_dead_leader_left_in_its_group_is_of_the_service() {
        assert_eq!(found(&[(12, 1, 10, 6)], &[(10, 5)]), [vec![12]]);
    }

    #[test]
    fn a_stranger_with_a_recycled_number_is_not() {
        assert_eq!(found(&[(10, 1, 10, 99), (11, 10, 10, 100)], &[(10, 5)]), [Vec::<u32>::new()]);
        assert_eq!(found(&[(12, 1, 10, 4)], &[(10, 5)]), [Vec::<u32>::new()]);
    }

    #[test]
    fn a_service_that_another_started_is_counted_once_and_as_itself() {
        let all = [(10, 1, 10, 5), (20, 10, 20, 6), (21, 20, 20, 7)];
        assert_eq!(found(&all, &[(10, 5), (20, 6)]), [vec![10], vec![20, 21]]);
        assert_eq!(found(&all, &[(20, 6), (10, 5)]), [vec![20, 21], vec![10]]);
    }

    proptest! {
        #[test]
        fn no_process_is_counted_twice_and_loops_end(
            all in prop::collection::btree_map(1..12_u32, (0..12_u32, 1..12_u32, 0..3_u64), 0..12),
            leaders in prop::collection::vec((1..12_u32, 0..3_u64), 0..4),
        ) {
            let all: Vec<_> = all.into_iter().map(|(pid, (parent, group, started))| (pid, parent, group, started)).collect();
            let mut pids: Vec<_> = found(&all, &leaders).concat();
            let count = pids.len();
            pids.sort_unstable();
            pids.dedup();
            prop_assert_eq!(pids.len(), count);
        }
    }
}
