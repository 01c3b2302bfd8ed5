//! The embedded backend: its table and goals.

use std::fmt::{self, Write};

use super::goals::Goal;
use super::tables::figure;
use super::{Measured, circumstances};
use crate::part::Results;
use crate::part::brain::{CAPTURES, NOTES, Row, SEARCHERS, SPAN, Side};

pub fn tables(text: &mut String, results: &Results<Row>) -> fmt::Result {
    text.push_str("\n## brain\n\n");
    circumstances(text, &results.machine)?;
    writeln!(
        text,
        "{NOTES} notes of 2 kB, on all processors together with the clients: {SEARCHERS} connections that search for one \
         to three words again as soon as they are answered, and {CAPTURES} captures a second, for {} s. Then each \
         capture is looked for. Beside it the same notes, words and captures in plain Python: `sqlite3` with FTS5 \
         behind FastAPI on one process of uvicorn with its extras, without a log of requests.\n",
        SPAN.as_secs()
    )?;
    text.push_str("| | searches, per s | p99, ms | capture, p99, ms | errors | captures | lost |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
    for row in &results.rows {
        side(text, "brain", &row.brain)?;
        if let Some(peer) = &row.peer {
            side(text, "Python", peer)?;
        }
    }
    Ok(())
}

fn side(text: &mut String, name: &str, side: &Side) -> fmt::Result {
    let Side { per_second, search_p99, capture_p99, errors, captured, lost } = side;
    writeln!(
        text,
        "| {name} | **{}** | {} | {} | {errors} | {captured} | {lost} |",
        figure(*per_second),
        figure(*search_p99),
        figure(*capture_p99)
    )
}

pub fn goals(measured: &Measured) -> Vec<Goal> {
    let row = measured.brain.as_ref().and_then(|results| results.rows.first());
    row.map(of).unwrap_or_default()
}

fn of(row: &Row) -> Vec<Goal> {
    let Side { errors, captured, lost, search_p99, .. } = row.brain;
    let memory = f64::from(row.resting.max(row.loaded)) * 1.024 / 1000.0;
    let mut goals = vec![
        Goal {
            wanted: "brain: no error and no lost capture under 1,000 searches at once and 100 captures a second",
            seen: format!(
                "{errors} errors, {lost} of {captured} lost; a search at most {} ms (p99)",
                figure(search_p99)
            ),
            met: errors == 0 && lost == 0,
            why: "a fault",
        },
        Goal {
            wanted: "brain: below 40 MB with 10,000 notes",
            seen: format!(
                "{} MB at rest, {} MB four seconds after the load",
                mb(row.resting),
                mb(row.loaded)
            ),
            met: memory < 40.0,
            why: "SQLite's page caches, one for each connection",
        },
        Goal {
            wanted: "brain: from its start to the first 200 below 100 ms",
            seen: format!("{} ms, at most {} ms", figure(row.boot.median), figure(row.boot.max)),
            met: row.boot.median < 100.0,
            why: "see the table",
        },
    ];
    goals.extend(row.peer.as_ref().map(|peer| {
        let times = row.brain.per_second / peer.per_second;
        Goal {
            wanted: "brain: at least 10 times the searches of plain Python behind FastAPI",
            seen: format!(
                "{} times: {} beside {} a second",
                figure(times),
                figure(row.brain.per_second),
                figure(peer.per_second)
            ),
            met: times >= 10.0,
            why: "most of a search is SQLite's own work, which is the same C in both",
        }
    }));
    goals
}

fn mb(kilobytes: u32) -> String {
    figure(f64::from(kilobytes) * 1.024 / 1000.0)
}
