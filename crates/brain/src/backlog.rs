//! What of the vault may have changed since the index looked at it. Pure.

use std::collections::BTreeSet;

use crate::indexer::Scope;

/// From more paths on, one walk over the vault is cheaper than all of them.
const MOST_PATHS: usize = 1000;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Backlog {
    #[default]
    Nothing,
    /// These, relative to the vault, and what is below them.
    Paths(BTreeSet<String>),
    /// Nobody knows: the whole vault has to be walked.
    Changes,
    /// The index itself was lost.
    Everything,
}

impl Backlog {
    pub fn path(path: String) -> Self {
        Self::Paths(BTreeSet::from([path]))
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    pub fn add(&mut self, more: Self) {
        *self = match (std::mem::take(self), more) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Changes, _) | (_, Self::Changes) => Self::Changes,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::Paths(mut paths), Self::Paths(mut more)) => {
                paths.append(&mut more);
                if paths.len() > MOST_PATHS { Self::Changes } else { Self::Paths(paths) }
            }
        };
    }

    /// What an index run has to look at; `None` when there is nothing to do.
    pub fn scope(&self) -> Option<Scope<'_>> {
        match self {
            Self::Nothing => None,
            Self::Paths(paths) => Some(Scope::Paths(paths)),
            Self::Changes => Some(Scope::Changes),
            Self::Everything => Some(Scope::Everything),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_gather_until_they_are_too_many_and_more_never_becomes_less() {
        let mut backlog = Backlog::default();
        assert!(backlog.scope().is_none());
        backlog.add(Backlog::path("a.md".into()));
        backlog.add(Backlog::path("a.md".into()));
        backlog.add(Backlog::path("b.md".into()));
        assert_eq!(backlog, Backlog::Paths(BTreeSet::from(["a.md".into(), "b.md".into()])));
        for i in 0..MOST_PATHS {
            backlog.add(Backlog::path(format!("{i}.md")));
        }
        assert_eq!(backlog, Backlog::Changes);
        backlog.add(Backlog::Everything);
        backlog.add(Backlog::path("a.md".into()));
        backlog.add(Backlog::Changes);
        backlog.add(Backlog::Nothing);
        assert_eq!(backlog, Backlog::Everything);
    }
}
