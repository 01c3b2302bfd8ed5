//! Where a peer does better, and why: said under the table, not left to be found.

use std::fmt::{self, Write};

use crate::part::scale::Row;
use crate::peer::Peer;

/// A column in which less is better.
struct Column {
    better: &'static str,
    value: fn(&Row) -> f64,
    why: &'static str,
}

const COLUMNS: [Column; 3] = [
    Column {
        better: "Less memory",
        value: |row| f64::from(row.pss_total()),
        why: "Steady's includes its log writer, an HTTP API with a panel, health checks and the backup engine; at rest \
              most of it is the text of that program, and it grows little with each service (next table).",
    },
    Column {
        better: "All up sooner",
        value: |row| row.all_up,
        why: "Before Steady starts a service it makes its output a FIFO, looks for what an earlier agent left, and \
              afterwards writes down what runs, so that neither a line nor the process is lost when the agent is \
              killed.",
    },
    Column {
        better: "Less processor time at rest",
        value: |row| row.idle,
        why: "Steady's agent weighs its services once a minute; its peers sleep until something ends.",
    },
];
/// Smaller differences are noise.
const CLEARLY: f64 = 0.95;

pub fn write(text: &mut String, rows: &[Row]) -> fmt::Result {
    let Some(ours) = rows.iter().find(|row| row.peer == Peer::Steady) else { return Ok(()) };
    for Column { better, value, why } in COLUMNS {
        let ahead: Vec<_> =
            rows.iter().filter(|row| value(row) < value(ours) * CLEARLY).map(|row| row.peer.name()).collect();
        if !ahead.is_empty() {
            writeln!(text, "\n{better} than Steady: {}. {why}", ahead.join(", "))?;
        }
    }
    Ok(())
}
