//! The goals, held against what was measured: said plainly where one is missed.

use std::fmt::{self, Write};

use super::tables::figure;
use super::{Measured, backup, brain};
use crate::logger::Logger;
use crate::part::{Results, logs, scale};
use crate::peer::Peer;
use crate::summary::Summary;

/// One goal: what is wanted, what was seen, whether that is enough, and what is known of the reason if it is not.
pub(super) struct Goal {
    pub wanted: &'static str,
    pub seen: String,
    pub met: bool,
    pub why: &'static str,
}

pub fn write(text: &mut String, measured: &Measured) -> fmt::Result {
    text.push_str("\n## Goals\n\n| goal | measured | |\n|---|---|---|\n");
    let goals = [
        restart(measured),
        memory(measured),
        all_up(measured),
        idle(measured),
        growth(measured),
        speed(measured),
        loss(measured),
    ];
    for Goal { wanted, seen, met, why } in goals
        .into_iter()
        .flatten()
        .chain(health(measured))
        .chain(backup::goals(measured))
        .chain(brain::goals(measured))
    {
        let verdict = if met { "met".to_owned() } else { format!("**missed**: {why}") };
        writeln!(text, "| {wanted} | {seen} | {verdict} |")?;
    }
    Ok(())
}

/// Round by round, since the machine's speed changes between rounds more than within one.
fn restart(measured: &Measured) -> Option<Goal> {
    let rows = &measured.restart.as_ref()?.rows;
    let of = |peer| rows.iter().find(|row| row.peer == peer);
    let (ours, theirs) = (of(Peer::Steady)?, of(Peer::Runit)?);
    let bound = of(Peer::Loop).map_or_else(String::new, |row| {
        format!("; the least that the kernel takes: {} ms", figure(row.latency.median))
    });
    let ratios = Summary::of(ours.medians.iter().zip(&theirs.medians).map(|(o, t)| o / t).collect())?;
    Some(Goal {
        wanted: "SIGKILL to the successor: median at most half of runit's",
        seen: format!(
            "{} ms beside {} ms; {} of it in the middle round, {} to {} in all{bound}",
            figure(ours.latency.median),
            figure(theirs.latency.median),
            figure(ratios.median),
            figure(ratios.min),
            figure(ratios.max)
        ),
        met: ratios.median <= 0.5,
        why: "most of it is the kernel's share: to end a process, to wake who waits for that, to start another",
    })
}

fn memory(measured: &Measured) -> Option<Goal> {
    let row = steady(measured.hundred.as_ref()?)?;
    let seen = f64::from(row.pss_total()) * 1.024 / 1000.0;
    Some(Goal {
        wanted: "100 services: agent and sink together at most 12 MB",
        seen: format!("{} MB", figure(seen)),
        met: seen <= 12.0,
        why: "text of the agent and of the sink, which are one large program, and the heap left behind by the start",
    })
}

fn all_up(measured: &Measured) -> Option<Goal> {
    let seen = steady(measured.hundred.as_ref()?)?.all_up;
    Some(Goal {
        wanted: "100 services: all up within 500 ms",
        seen: format!("{} ms", figure(seen)),
        met: seen <= 500.0,
        why: "the starts queue behind each other and behind the log writer's attachments",
    })
}

fn idle(measured: &Measured) -> Option<Goal> {
    let seen = steady(measured.hundred.as_ref()?)?.idle;
    Some(Goal {
        wanted: "100 services: idle below 0.5 ms of processor time per second",
        seen: format!("{} ms", figure(seen)),
        met: seen < 0.5,
        why: "something wakes the agent",
    })
}

/// The cost of a service among the last nine hundred, against one among the first hundred.
fn growth(measured: &Measured) -> Option<Goal> {
    let rows = &measured.growth.as_ref()?.rows;
    let of = |services| rows.iter().find(|row| row.peer == Peer::Steady && row.services == services);
    let (ten, hundred, thousand) = (of(10)?, of(100)?, of(1000)?);
    let cost = |from: &scale::Row, to: &scale::Row, value: fn(&scale::Row) -> f64| {
        let services = u32::try_from(to.services - from.services).unwrap_or(1);
        (value(to) - value(from)) / f64::from(services)
    };
    let memory = |row: &scale::Row| f64::from(row.pss_total());
    let (small, large) = (cost(ten, hundred, memory), cost(hundred, thousand, memory));
    let (early, late) = (cost(ten, hundred, |row| row.all_up), cost(hundred, thousand, |row| row.all_up));
    Some(Goal {
        wanted: "The cost of a service does not grow with their number (10 to 100, then 100 to 1,000)",
        seen: format!(
            "{} kB, then {} kB; {} ms to come up, then {} ms",
            figure(small),
            figure(large),
            figure(early),
            figure(late)
        ),
        // Beyond what two runs differ by.
        met: large <= small * 1.1 && late <= early * 1.25,
        why: "see the table: where s6's cost grows alike, it is the machine's",
    })
}

fn speed(measured: &Measured) -> Option<Goal> {
    let rows = &measured.logs.as_ref()?.rows;
    let best = |of: fn(&logs::Row) -> f64, peers: bool| {
        let rows = rows.iter().filter(|row| {
            if peers {
                matches!(row.logger, Logger::Svlogd | Logger::S6Log)
            } else {
                row.logger == Logger::Steady
            }
        });
        rows.map(of).max_by(f64::total_cmp)
    };
    let (buffered, by_line) = (|row: &logs::Row| row.buffered.median, |row: &logs::Row| row.by_line.median);
    let ours = (best(buffered, false)?, best(by_line, false)?);
    let theirs = (best(buffered, true)?, best(by_line, true)?);
    Some(Goal {
        wanted: "Log throughput with rotation: at least that of svlogd and s6-log",
        seen: format!(
            "{} beside {} MB/s buffered, {} beside {} MB/s line by line",
            figure(ours.0),
            figure(theirs.0),
            figure(ours.1),
            figure(theirs.1)
        ),
        met: ours.0 >= theirs.0 && ours.1 >= theirs.1,
        why: "line by line it is the writer that is measured, and a named FIFO takes some 15 % more of it than an \
              anonymous pipe does: its file's times, its file system's lock, and the lock of the pipe, which the sink \
              holds while the kernel moves the bytes into the file. That is what lets the service outlive the sink, \
              and what no kill can lose or double a line of; see the last columns of the table",
    })
}

fn loss(measured: &Measured) -> Option<Goal> {
    let row = measured.logs.as_ref()?.rows.iter().find(|row| row.logger == Logger::Steady)?;
    Some(Goal {
        wanted: "No line lost, doubled or torn when the sink is killed",
        seen: format!("{} lost, {} doubled, {} torn", row.lost, row.doubled, row.torn),
        met: row.lost + row.doubled + row.torn == 0,
        why: "a fault",
    })
}

fn health(measured: &Measured) -> Vec<Goal> {
    let Some(row) = measured.health.as_ref().and_then(|results| results.rows.first()) else {
        return Vec::new();
    };
    let mut goals = vec![
        Goal {
            wanted: "`/health` at 10,000 requests a second on one core: p99 under 1 ms",
            seen: format!("{} ms", figure(row.p99)),
            met: row.p99 < 1.0,
            why: "the core is full, or the clients' is",
        },
        Goal {
            wanted: "5,000 checks at 10 s cost under 3 % of a core",
            seen: format!("{} %", figure(row.checks_share * 100.0)),
            met: row.checks_share < 0.03,
            why: "each group of looks makes a new snapshot, of all checks",
        },
        Goal {
            wanted: "A changed marker is in a client's snapshot within 20 ms (p99)",
            seen: format!("{} ms", figure(row.marker_p99)),
            met: row.marker_p99 < 20.0,
            why: "see the table",
        },
        Goal {
            wanted: "All views of a snapshot with 100 services within 1 ms",
            seen: format!("{} ms", figure(row.projections)),
            met: row.projections < 1.0,
            why: "see the table",
        },
    ];
    if let Some(theirs) = &row.fastapi {
        goals.push(Goal {
            wanted: "`/health` at least at 20 times the rate of the first users' own in FastAPI on uvicorn",
            seen: format!(
                "{} beside {} a second: {} times; with uvicorn's extras (uvloop, httptools) {}: {} times",
                figure(row.most),
                figure(theirs.plain),
                figure(row.most / theirs.plain),
                figure(theirs.extras),
                figure(row.most / theirs.extras)
            ),
            met: row.most >= 20.0 * theirs.plain,
            why: "most of an answer's time is the kernel's: a reading and a writing on a socket each",
        });
    }
    goals
}

fn steady(results: &Results<scale::Row>) -> Option<&scale::Row> {
    results.rows.iter().find(|row| row.peer == Peer::Steady)
}
