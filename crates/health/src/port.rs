//! Port: the right one listens.

use std::collections::BTreeSet;
use std::time::Duration;

use steady_model::check::Status;
use steady_model::words;

use crate::listening::{LISTENING, Listener, is_hidden};
use crate::probe::{Probe, Seen, moment};
use crate::processes::{about, command, shown};

pub struct PortProbe {
    port: u16,
    process: Option<String>,
}

impl PortProbe {
    pub fn new(port: u16, process: Option<String>) -> Self {
        Self { port, process }
    }
}

impl Probe for PortProbe {
    async fn look(&mut self) -> Seen {
        let port = self.port;
        match LISTENING.taken().await {
            Ok(all) => match all.get(&port) {
                Some(listeners) => judge(port, listeners, self.process.as_deref(), command),
                None if is_hidden(port).await => unseen(port),
                None => Seen::new(Status::Fail, format!("nothing listens on port {port}"))
                    .so("Start the program that should listen there"),
            },
            Err(e) => Seen::new(Status::Unknown, format!("the listening sockets cannot be listed: {e}")),
        }
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        let within = words::span(timeout);
        Seen::new(Status::Unknown, format!("the listening sockets were not listed within {within}"))
    }
}

fn unseen(port: u16) -> Seen {
    Seen::new(
        Status::Unknown,
        format!("a process that the system does not show, another user's, listens on port {port}"),
    )
    .so(format!("Ask as root who it is (`ss -ltnp`, `lsof -i :{port}`), or use a tcp check"))
}

/// One of those who hold a socket must match: its workers may have other command lines.
fn judge(
    port: u16,
    listeners: &[Listener],
    process: Option<&str>,
    command: impl Fn(u32) -> Option<String>,
) -> Seen {
    let matches =
        |pid: &u32| process.is_none_or(|text| command(*pid).is_some_and(|line| line.contains(text)));
    let mut right = BTreeSet::new();
    for listener in listeners {
        match (listener.holders.iter().find(|pid| matches(pid)), listener.holders.first()) {
            (Some(pid), _) => right.extend([*pid]),
            (None, None) => return unseen(port),
            (None, Some(pid)) => {
                let which = process.map_or_else(String::new, |text| format!(" and not \"{text}\""));
                let evidence = format!("{} listens on {}{which}", name(*pid, command(*pid)), listener.at);
                return Seen::fact(Status::Fail, evidence);
            }
        }
    }
    let names: Vec<String> = right.into_iter().map(|pid| name(pid, command(pid))).collect();
    let verb = if names.len() == 1 { "listens" } else { "listen" };
    Seen::new(Status::Pass, format!("{} {verb} on port {port}", names.join(", ")))
}

/// `pid 77 since …: uvicorn notes:app`.
fn name(pid: u32, command: Option<String>) -> String {
    let since = about(pid)
        .and_then(|about| about.since)
        .map_or_else(String::new, |t| format!(" since {}", moment(t)));
    let command = command.map_or_else(String::new, |line| format!(" ({})", shown(&line)));
    format!("pid {pid}{command}{since}")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a [&'a [u32]], Option<&'a str>, Status);

    #[test]
    fn each_socket_needs_a_right_holder_and_a_hidden_one_is_unknown() {
        let command = |pid| Some(if pid < 10 { "uvicorn notes:app" } else { "spawn_main(7)" }.to_owned());
        let table: [Case<'_>; 8] = [
            (&[&[1]], Some("notes:app"), Status::Pass),
            (&[&[1, 20]], Some("notes:app"), Status::Pass),
            (&[&[1], &[2]], Some("notes:app"), Status::Pass),
            (&[&[20]], Some("notes:app"), Status::Fail),
            (&[&[1], &[20]], Some("notes:app"), Status::Fail),
            (&[&[1], &[]], Some("notes:app"), Status::Unknown),
            (&[&[20]], None, Status::Pass),
            (&[&[]], None, Status::Unknown),
        ];
        for (sockets, process, status) in table {
            let at = "127.0.0.1:8000".parse().unwrap();
            let listeners: Vec<Listener> =
                sockets.iter().map(|h| Listener { at, holders: h.iter().copied().collect() }).collect();
            let seen = judge(8000, &listeners, process, command);
            assert_eq!(seen.status, status, "{sockets:?} {process:?}: {}", seen.evidence);
            assert_eq!(seen.fact, status == Status::Fail, "a stranger is a fact");
        }
    }
}
