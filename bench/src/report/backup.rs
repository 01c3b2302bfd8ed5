//! Backups: tables and goals.

use std::fmt::{self, Write};

use super::goals::Goal;
use super::tables::figure;
use super::{Measured, circumstances};
use crate::archive::commits::RATE;
use crate::archive::cost::Run;
use crate::archive::tool::Tool;
use crate::part::Results;
use crate::part::backup::{cost, cut, downtime};
use crate::summary::Summary;

pub fn tables(text: &mut String, measured: &Measured) -> fmt::Result {
    if let Some(results) = &measured.backup {
        costs(text, results, measured.program)?;
    }
    if let Some(results) = &measured.large {
        large(text, results)?;
    }
    if let Some(results) = &measured.cut {
        cuts(text, results)?;
    }
    if let Some(results) = &measured.downtime {
        downtimes(text, results)?;
    }
    Ok(())
}

fn costs(text: &mut String, results: &Results<cost::Row>, program: u64) -> fmt::Result {
    text.push_str("\n## Backups\n\n");
    circumstances(text, &results.machine)?;
    let first = results.rows.first();
    writeln!(
        text,
        "{} MB as a small program with a language model keeps them at home: six SQLite databases (full-text index, \
         graph, vectors, memories, jobs, and one of a vector store with its index), JSON lines, 5,000 notes; made \
         from a seed. Seconds, median of {} rounds (processor seconds), each until all is on the disk; each step by \
         all programs before the next, all at nice 19, which Steady's engine gives itself. The increment is after a \
         day's work: a row in a hundred anew, a hundredth of the lines, fifty notes. Verify reads all data back; \
         Steady opens each database too and counts its rows. The first restore of each was compared byte by byte, but for the counters in the head of a database. \
         Memory is the largest process of any step. Steady is asked as its agent asks: a process for each step.\n",
        figure(first.map_or(0.0, |row| row.source)),
        first.map_or(0, |row| row.first.len()),
    )?;
    writeln!(
        text,
        "| | version | first, s | MB | increment, s | MB | verify, s | restore, s | {} days, MB | memory, MB |",
        cost::DAYS
    )?;
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for row in &results.rows {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.tool.name(),
            row.version,
            time(&row.first),
            number(&row.size),
            time(&row.increment),
            number(&row.added),
            time(&row.verify),
            time(&row.restore),
            row.days.map_or_else(none, figure),
            figure(row.memory()),
        )?;
    }
    let size = f64::from(u32::try_from(program / 1000).unwrap_or_default()) / 1000.0;
    writeln!(text, "\nThe program `steady`, all of it: {} MB.", figure(size))
}

fn large(text: &mut String, results: &Results<cost::Row>) -> fmt::Result {
    let Some(row) = results.rows.first() else { return Ok(()) };
    writeln!(
        text,
        "\nSteady alone with {} MB, once: first {} s ({} MB), increment {} s ({} MB), verify {} s, restore {} s; the \
         largest process took {} MB.",
        figure(row.source),
        time(&row.first),
        number(&row.size),
        time(&row.increment),
        number(&row.added),
        time(&row.verify),
        time(&row.restore),
        figure(row.memory())
    )
}

fn cuts(text: &mut String, results: &Results<cut::Row>) -> fmt::Result {
    let Some(row) = results.rows.first() else { return Ok(()) };
    text.push_str("\n## Points of data that is written to\n\n");
    circumstances(text, &results.machine)?;
    writeln!(
        text,
        "Five databases of {} MB together, {RATE} commits a second, the same number to each in turn. {} points, each \
         restored and looked at; the same with `cp -r`. Torn: a database is corrupt. Skewed: they show different \
         moments. Then a commit's milliseconds while a copy was made, and with nothing beside it.\n",
        cut::MEGABYTES,
        row.points
    )?;
    text.push_str("| | torn | skewed | commit, p99 | longest |\n|---|--:|--:|--:|--:|\n");
    let tally = |tally: cut::Tally| format!("{} | {}", tally.torn, tally.skewed);
    writeln!(
        text,
        "| Steady | {} | {} | {} |",
        tally(row.steady),
        figure(row.backup_p99),
        figure(row.backup_max)
    )?;
    writeln!(
        text,
        "| `cp -r` | {} | {} | {} |",
        tally(row.copy),
        figure(row.copy_p99),
        figure(row.copy_max)
    )?;
    writeln!(text, "| nothing | | | {} | {} |", figure(row.idle_p99), figure(row.idle_max))
}

fn downtimes(text: &mut String, results: &Results<downtime::Row>) -> fmt::Result {
    let Some(row) = results.rows.first() else { return Ok(()) };
    text.push_str("\n## A restore in place\n\n");
    circumstances(text, &results.machine)?;
    let seconds = |all: &[f64]| all.iter().map(|s| figure(*s)).collect::<Vec<_>>().join(", ");
    writeln!(
        text,
        "`steady restore latest` of {} MB, {} times: the service was away for {} s. With the comparison, the safety \
         point and its verification, and the check of what was written: {} s.",
        row.megabytes,
        row.away.len(),
        seconds(&row.away),
        seconds(&row.took)
    )
}

pub fn goals(measured: &Measured) -> Vec<Goal> {
    let mut goals = Vec::new();
    goals.extend(
        measured.cut.as_ref().and_then(|results| results.rows.first()).into_iter().flat_map(of_the_cut),
    );
    goals.extend(measured.backup.as_ref().and_then(beside_restic).unwrap_or_default());
    goals.extend(measured.large.as_ref().and_then(memory));
    goals.extend(measured.downtime.as_ref().and_then(away));
    goals
}

fn of_the_cut(row: &cut::Row) -> [Goal; 4] {
    [
        Goal {
            wanted: "No torn or skewed point at 500 commits a second",
            seen: format!("{} of {}; `cp -r`: {}", row.steady.bad(), row.points, row.copy.bad()),
            met: row.steady.bad() == 0,
            why: "a fault",
        },
        Goal {
            wanted: "The cut holds the writers at most 5 ms (p99)",
            seen: format!("{} ms", figure(row.barrier_p99)),
            met: row.barrier_p99 <= 5.0,
            why: "a processor was busy with something else",
        },
        Goal {
            wanted: "A commit during a backup: p99 at most twice that without one",
            seen: format!("{} beside {} ms", figure(row.backup_p99), figure(row.idle_p99)),
            met: row.backup_p99 <= 2.0 * row.idle_p99,
            why: "the engine, though at the lowest priority, takes both processors and the disk",
        },
        Goal {
            wanted: "No writer is blocked for more than 50 ms",
            seen: format!("{} ms; without a backup {} ms", figure(row.backup_max), figure(row.idle_max)),
            met: row.backup_max <= 50.0,
            why: "a commit that checkpoints waits for the disk, which the engine writes to",
        },
    ]
}

fn beside_restic(results: &Results<cost::Row>) -> Option<Vec<Goal>> {
    let of = |tool| results.rows.iter().find(|row| row.tool == tool);
    let (ours, theirs) = (of(Tool::Steady)?, of(Tool::Restic)?);
    let time = |wanted, limit, runs: fn(&cost::Row) -> &Vec<Run>, why| {
        let seconds = |row| runs(row).iter().map(|run| run.seconds).collect::<Vec<_>>();
        ratio(wanted, limit, &seconds(ours), &seconds(theirs), "s", why)
    };
    let room = |wanted, limit, ours: &[f64], theirs: &[f64]| {
        ratio(wanted, limit, ours, theirs, "MB", "chunks as large as they are")
    };
    let (our_days, their_days) = (ours.days?, theirs.days?);
    let parts = [
        time(
            "First backup: at most 1.1 of restic's time",
            1.1,
            |row| &row.first,
            "each byte is hashed twice, for its chunk and for the manifest, and a database is read by one thread",
        ),
        time(
            "Increment after a 1 % change: at most 0.5 of restic's time",
            0.5,
            |row| &row.increment,
            "as above",
        ),
        room("Increment after a 1 % change: at most 0.20 of restic's bytes", 0.2, &ours.added, &theirs.added),
        time(
            "Verify of all data: at most 0.5 of restic's time",
            0.5,
            |row| &row.verify,
            "each database is also written out, opened, checked by SQLite and counted, which restic does not do",
        ),
        time(
            "Full restore, on the disk: at most 1.1 of restic's time",
            1.1,
            |row| &row.restore,
            "each file is flushed by itself, as what comes after it relies on it",
        ),
        room("14 daily points: at most 0.30 of restic's repository", 0.3, &[our_days], &[their_days]),
    ];
    Some(parts.into_iter().flatten().collect())
}

/// Round by round: the machine's speed changes between rounds more than within one.
fn ratio(
    wanted: &'static str,
    limit: f64,
    ours: &[f64],
    theirs: &[f64],
    unit: &str,
    why: &'static str,
) -> Option<Goal> {
    let ratios = Summary::of(ours.iter().zip(theirs).map(|(o, t)| o / t).collect())?;
    let median = |all: &[f64]| Some(figure(Summary::of(all.to_vec())?.median));
    let spread = if ratios.count > 1 {
        format!(" ({}–{})", figure(ratios.min), figure(ratios.max))
    } else {
        String::new()
    };
    Some(Goal {
        wanted,
        seen: format!(
            "{}{spread}: {} beside {} {unit}",
            figure(ratios.median),
            median(ours)?,
            median(theirs)?
        ),
        met: ratios.median <= limit,
        why,
    })
}

fn memory(results: &Results<cost::Row>) -> Option<Goal> {
    let row = results.rows.first()?;
    Some(Goal {
        wanted: "At most 200 MB of memory for any command with 10 GB",
        seen: format!("{} MB with {} GB", figure(row.memory()), figure(row.source / 1000.0)),
        met: row.memory() <= 200.0 && row.source >= 10_000.0,
        why: "see the table",
    })
}

fn away(results: &Results<downtime::Row>) -> Option<Goal> {
    let row = results.rows.first()?;
    let seen = Summary::of(row.away.clone())?;
    Some(Goal {
        wanted: "A restore of 1 GB stops the service for at most 3 s",
        seen: format!("{} s, at most {} s", figure(seen.median), figure(seen.max)),
        met: seen.median <= 3.0,
        why: "see the table",
    })
}

fn time(runs: &[Run]) -> String {
    let median = |of: fn(&Run) -> f64| Some(Summary::of(runs.iter().map(of).collect())?.median);
    match (median(|run| run.seconds), median(|run| run.cpu)) {
        (Some(seconds), Some(cpu)) => format!("{} ({})", figure(seconds), figure(cpu)),
        _ => none(),
    }
}

fn number(all: &[f64]) -> String {
    Summary::of(all.to_vec()).map_or_else(none, |s| figure(s.median))
}

fn none() -> String {
    "–".to_owned()
}
