//! What a new configuration changes, and what that does to what runs.

use super::resolved::{Config, Service};
use crate::api::{Change, Changed, Consequence};

/// The changes from `old` to `new`, in the order of the file's sections.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    let agent = (old.listen != new.listen).then_some(Consequence::AgentRestart);
    let agent = agent.or((old.wake_settle != new.wake_settle).then_some(Consequence::AtOnce));
    changes.extend(agent.map(|consequence| change("agent", None, Changed::Changed, consequence)));
    changes.extend(named("service", &old.services, &new.services, |s| &s.name, &SERVICE));
    changes.extend(named("check", &old.checks, &new.checks, |c| &c.name, &Consequences::AT_ONCE));
    changes.extend(named("job", &old.jobs, &new.jobs, |j| &j.name, &Consequences::AT_ONCE));
    changes.extend(named("logfile", &old.log_files, &new.log_files, |l| &l.name, &Consequences::AT_ONCE));
    if old.backup != new.backup {
        changes.push(change("backup", None, Changed::Changed, Consequence::AgentRestart));
    }
    changes
}

struct Consequences<T> {
    added: Consequence,
    removed: Consequence,
    changed: fn(&T, &T) -> Consequence,
}

const SERVICE: Consequences<Service> =
    Consequences { added: Consequence::Starts, removed: Consequence::Stops, changed: service };

impl<T> Consequences<T> {
    const AT_ONCE: Self = Self {
        added: Consequence::AtOnce,
        removed: Consequence::AtOnce,
        changed: |_, _| Consequence::AtOnce,
    };
}

fn service(old: &Service, new: &Service) -> Consequence {
    if old.manager != new.manager {
        return Consequence::AgentRestart;
    }
    let launch = |s: &Service| (s.command.clone(), s.cwd.clone(), s.env.clone(), s.port);
    if launch(old) == launch(new) { Consequence::AtOnce } else { Consequence::Restarts }
}

fn named<T: PartialEq>(
    section: &str,
    old: &[T],
    new: &[T],
    name_of: fn(&T) -> &String,
    consequences: &Consequences<T>,
) -> Vec<Change> {
    let find = |all: &'_ [T], name: &str| all.iter().position(|item| name_of(item) == name);
    let made = |item: &T, what, consequence| change(section, Some(name_of(item).clone()), what, consequence);
    let gone = old
        .iter()
        .filter(|item| find(new, name_of(item)).is_none())
        .map(|item| made(item, Changed::Removed, consequences.removed));
    let come_or_changed =
        new.iter().filter_map(|item| match find(old, name_of(item)).and_then(|at| old.get(at)) {
            None => Some(made(item, Changed::Added, consequences.added)),
            Some(was) if was != item => Some(made(item, Changed::Changed, (consequences.changed)(was, item))),
            Some(_) => None,
        });
    gone.chain(come_or_changed).collect()
}

fn change(section: &str, name: Option<String>, what: Changed, consequence: Consequence) -> Change {
    Change { section: section.to_owned(), name, what, consequence }
}

#[cfg(test)]
mod tests {
    use crate::config::{Roots, parse};

    use super::*;

    const OLD: &str = "version = 1\n[service.db]\ncommand = [\"db\"]\n[service.api]\ncommand = [\"api\"]\n\
        [service.old]\ncommand = [\"old\"]\n[check.disk]\nkind = \"disk\"\npath = \".\"\n";

    fn changes(new: &str) -> Vec<String> {
        let read = |text| {
            parse(text, "steady.toml".as_ref(), Roots { base: "/".as_ref(), user_home: None }).unwrap()
        };
        diff(&read(OLD), &read(new))
            .iter()
            .map(|c| {
                let name = c.name.clone().unwrap_or_default();
                format!("{} {name} {:?}: {:?}", c.section, c.what, c.consequence)
            })
            .collect()
    }

    #[test]
    fn nothing_changed_is_no_change() {
        assert_eq!(changes(OLD), [""; 0]);
        assert_eq!(changes(&OLD.replace("version = 1", "# a remark\nversion = 1")), [""; 0]);
    }

    #[test]
    fn only_what_a_process_was_launched_with_restarts_it() {
        let new = OLD
            .replace("command = [\"db\"]", "command = [\"db\"]\nstop_grace = \"3s\"")
            .replace("command = [\"api\"]", "command = [\"api\", \"--fast\"]")
            .replace("[service.old]\ncommand = [\"old\"]", "[service.new]\ncommand = [\"new\"]")
            .replace("path = \".\"", "path = \"/srv\"");
        assert_eq!(
            changes(&new),
            [
                "service old Removed: Stops",
                "service api Changed: Restarts",
                "service db Changed: AtOnce",
                "service new Added: Starts",
                "check disk Changed: AtOnce",
            ]
            .map(str::to_owned)
        );
    }

    #[test]
    fn what_the_agent_itself_was_started_with_waits_for_its_restart() {
        let new = OLD
            .replace("version = 1", "version = 1\n[agent]\nlisten = \"127.0.0.1:1\"")
            .replace("command = [\"db\"]", "command = [\"db\"]\nmanager = \"systemd\"");
        assert_eq!(
            changes(&new),
            ["agent  Changed: AgentRestart", "service db Changed: AgentRestart"].map(str::to_owned)
        );
    }
}
