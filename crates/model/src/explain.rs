//! A cause hides its effects: which trouble explains which check's.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Status;

/// A check as it would be told.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub name: &'a str,
    /// After its severity.
    pub told: Status,
    pub service: Option<&'a str>,
    pub depends_on: &'a [String],
}

/// The check or service that explains each check in trouble, by the check's place in `nodes`.
///
/// A cause works through any number of steps, also through one that (still) passes, and the one named is never
/// itself explained by a check: whatever is hidden, its cause is shown. `services` holds those in trouble, with
/// `Fail` for one that is not there to be looked at.
pub fn explain(nodes: &[Node<'_>], services: &BTreeMap<&str, Status>) -> BTreeMap<usize, String> {
    let leads_nowhere = |node: &Node<'_>| node.depends_on.is_empty() && services.is_empty();
    let troubled = nodes.iter().enumerate().filter(|(_, n)| n.told != Status::Pass && !leads_nowhere(n));
    let mut family = None;
    troubled
        .filter_map(|(place, node)| {
            let family = family.get_or_insert_with(|| Family::new(nodes, services));
            Some((place, family.cause(node)?.to_owned()))
        })
        .collect()
}

/// A failing cause, or one that is not known, explains everything; one that warns explains warnings.
fn hides(cause: Status, effect: Status) -> bool {
    match cause {
        Status::Fail | Status::Unknown => true,
        Status::Warn => effect == Status::Warn,
        Status::Pass => false,
    }
}

struct Family<'n, 'a> {
    by_name: BTreeMap<&'a str, &'n Node<'a>>,
    services: &'n BTreeMap<&'n str, Status>,
}

impl<'n, 'a> Family<'n, 'a> {
    fn new(nodes: &'n [Node<'a>], services: &'n BTreeMap<&'n str, Status>) -> Self {
        Self { by_name: nodes.iter().map(|n| (n.name, n)).collect(), services }
    }

    fn cause(&self, node: &Node<'a>) -> Option<&'a str> {
        let ancestors = self.ancestors(node);
        let mut lines = std::iter::once(node).chain(ancestors.iter().copied());
        let service = lines.find_map(|n| {
            let name = n.service?;
            hides(*self.services.get(name)?, node.told).then_some(name)
        });
        service.or_else(|| self.root(node, &ancestors))
    }

    /// The cause among the ancestors that no other one explains. What depends on `node` in turn explains nothing.
    fn root(&self, node: &Node<'a>, ancestors: &[&'n Node<'a>]) -> Option<&'a str> {
        let explains = |cause: &&&'n Node<'a>| {
            hides(cause.told, node.told) && !self.ancestors(cause).iter().any(|a| a.name == node.name)
        };
        let causes = ancestors.iter().filter(explains);
        causes.copied().find(|cause| self.cause(cause).is_none()).map(|cause| cause.name)
    }

    /// All that it depends on, the nearest first.
    fn ancestors(&self, node: &Node<'a>) -> Vec<&'n Node<'a>> {
        let mut found: Vec<&'n Node<'a>> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next: Vec<&'a String> = node.depends_on.iter().collect();
        while !next.is_empty() {
            let level: Vec<&'n Node<'a>> = next
                .into_iter()
                .filter(|name| seen.insert(name.as_str()))
                .filter_map(|name| self.by_name.get(name.as_str()).copied())
                .collect();
            next = level.iter().flat_map(|n| n.depends_on).collect();
            found.extend(level);
        }
        found
    }
}
