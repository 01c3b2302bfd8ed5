use std::fmt::{self, Write};

use super::{behind, circumstances};
use crate::part::{Results, health as health_part, logs as log_part, restart as restart_part, scale};
use crate::peer::Peer;
use crate::summary::Summary;

pub fn restart(text: &mut String, results: &Results<restart_part::Row>) -> fmt::Result {
    text.push_str("\n## From SIGKILL to the successor\n\n");
    circumstances(text, &results.machine)?;
    writeln!(
        text,
        "Up to {} services are killed once each, one after another, in {} rounds with the supervisors taking turns; \
         a slow one gets fewer kills. The \
         time ends at the successor's first act, which is to read the clock. Milliseconds; \"rounds\" are the \
         lowest and highest median of a round; \"× Steady\" is the ratio of medians.\n",
        restart_part::KILLS,
        results.rows.first().map_or(0, |row| row.medians.len()),
    )?;
    text.push_str("| | version | kills | median | rounds | min | p95 | max | × Steady |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
    let ours = results.rows.iter().find(|row| row.peer == Peer::Steady).map(|row| row.latency.median);
    for row in &results.rows {
        let Summary { count, min, median, p95, max } = row.latency;
        let rounds = Summary::of(row.medians.clone()).unwrap_or(row.latency);
        let ratio = ours.map_or_else(String::new, |ours| figure(median / ours));
        writeln!(
            text,
            "| {} | {} | {count}{} | **{}** | {}–{} | {} | {} | {} | {ratio} |",
            row.peer.name(),
            row.version,
            lost(row.lost),
            figure(median),
            figure(rounds.min),
            figure(rounds.max),
            figure(min),
            figure(p95),
            figure(max)
        )?;
    }
    text.push_str(
        "\ns6 waits a second before it starts a successor; supervisord and monit look once a second, circus (at its \
         default of five seconds, set to half a second here) at intervals too. Those are choices for a quiet \
         machine, not faults: Steady, too, waits from the second unexpected end on. The bare loop supervises nothing: \
         it waits for any end and spawns a successor, which is what the kernel takes of everybody's time.\n",
    );
    Ok(())
}

pub fn hundred(text: &mut String, results: &Results<scale::Row>) -> fmt::Result {
    text.push_str("\n## A hundred services\n\n");
    circumstances(text, &results.machine)?;
    text.push_str(
        "Memory is the proportional set size of every process that is not a service; Steady's includes its log \
         writer, the others write no logs here. \"All up\" is from the start of the supervisor to the first act \
         of the last service. Idle is processor time over 20 s in which nothing happens.\n\n",
    );
    text.push_str("| | version | processes | memory, MB | all up, ms | idle, ms per s | restart, ms |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|\n");
    for row in &results.rows {
        writeln!(
            text,
            "| {} | {} | {} | **{}** | {} | {} | {} |",
            row.peer.name(),
            row.version,
            row.processes,
            megabytes(row.pss_total()),
            figure(row.all_up),
            figure(row.idle),
            row.restart.map_or_else(|| "–".to_owned(), |r| figure(r.median)),
        )?;
    }
    if let Some(steady) = results.rows.iter().find(|row| row.peer == Peer::Steady) {
        let shares: Vec<_> =
            steady.pss.iter().map(|(role, pss)| format!("{role} {} MB", megabytes(*pss))).collect();
        writeln!(text, "\nSteady's processes: {}.", shares.join(", "))?;
    }
    behind::write(text, &results.rows)
}

pub fn growth(text: &mut String, results: &Results<scale::Row>) -> fmt::Result {
    text.push_str("\n## Ten, a hundred, a thousand\n\n");
    circumstances(text, &results.machine)?;
    text.push_str(
        "The supervisors that start a thousand services within a minute. \"Per service\" is the growth since \
         the line above, by the services that came with it; the first line of each has all of it.\n\n",
    );
    text.push_str("| | services | memory, MB | per service, kB | all up, ms | per service, ms | idle, ms per s | restart, ms |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for peer in Peer::ALL {
        let mut before: Option<&scale::Row> = None;
        for row in results.rows.iter().filter(|row| row.peer == peer) {
            let (pss, all_up, services) =
                before.map_or((0, 0.0, 0), |b| (b.pss_total(), b.all_up, b.services));
            let more = f64::from(u32::try_from(row.services - services).unwrap_or(1));
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                peer.name(),
                row.services,
                megabytes(row.pss_total()),
                figure((f64::from(row.pss_total()) - f64::from(pss)) / more),
                figure(row.all_up),
                figure((row.all_up - all_up) / more),
                figure(row.idle),
                row.restart.map_or_else(|| "–".to_owned(), |r| figure(r.median)),
            )?;
            before = Some(row);
        }
    }
    Ok(())
}

pub fn logs(text: &mut String, results: &Results<log_part::Row>) -> fmt::Result {
    text.push_str("\n## Logs\n\n");
    circumstances(text, &results.machine)?;
    writeln!(
        text,
        "{} numbered lines of 100 bytes through each log writer under the supervisor it comes with; a new file at \
         10 MB, five old ones kept, no time stamps. From the first write to the last line in its file, median of \
         three runs (lowest–highest), MB/s. Buffered: 40 lines a write; else each line by itself. Then {} lines, all of which are kept, \
         while the log writer is killed {} times (fewer where it had ended already).\n",
        log_part::LINES,
        log_part::COUNTED,
        log_part::KILLS
    )?;
    text.push_str(
        "| | version | buffered | by line | processor, s per GB | by line | kills | lost | doubled | torn |\n",
    );
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for row in &results.rows {
        let speed = |s: Summary| format!("**{}** ({}–{})", figure(s.median), figure(s.min), figure(s.max));
        let [buffered, by_line] = row.cpu;
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.logger.name(),
            row.version,
            speed(row.buffered),
            speed(row.by_line),
            figure(buffered),
            figure(by_line),
            row.kills,
            row.lost,
            row.doubled,
            row.torn
        )?;
    }
    Ok(())
}

pub fn health(text: &mut String, results: &Results<health_part::Row>) -> fmt::Result {
    text.push_str("\n## Health\n\n");
    circumstances(text, &results.machine)?;
    writeln!(
        text,
        "`GET /health` over 32 kept connections, the server and its clients with a processor each. At {} requests a \
         second each counts from when it was due, not from when it could be sent. Beside it the endpoint of the first \
         users in FastAPI on one process of uvicorn, which looks at a folder, the disk and a marker for each answer \
         and logs it: as uvicorn installs itself (asyncio, h11) and with its extras (uvloop, httptools); then, with \
         the extras, one that answers a constant and logs nothing. Then {} `path` checks at an interval of 10 s; {} markers of a job, from the rename of the file to the snapshot at \
         a client of the event stream; and all pages and views of one snapshot with {} services.\n",
        health_part::RATE,
        health_part::CHECKS,
        health_part::MARKERS,
        health_part::SERVICES
    )?;
    text.push_str(
        "| p99, ms | at most, per s | FastAPI, per s | with extras | a constant | checks, % of a core | marker, p99, ms | views, ms |\n",
    );
    text.push_str("|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for row in &results.rows {
        let fastapi = |rate: fn(&health_part::FastApi) -> f64| {
            row.fastapi.as_ref().map_or_else(|| "–".to_owned(), |peer| figure(rate(peer)))
        };
        writeln!(
            text,
            "| **{}** | **{}** | {} | {} | {} | **{}** | **{}** | **{}** |",
            figure(row.p99),
            figure(row.most),
            fastapi(|peer| peer.plain),
            fastapi(|peer| peer.extras),
            fastapi(|peer| peer.constant),
            figure(row.checks_share * 100.0),
            figure(row.marker_p99),
            figure(row.projections)
        )?;
    }
    Ok(())
}

fn lost(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (+ {count} never back)") }
}

fn megabytes(kilobytes: u32) -> String {
    format!("{:.1}", f64::from(kilobytes) / 1000.0 * 1.024)
}

/// Three digits where there are any.
pub fn figure(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
