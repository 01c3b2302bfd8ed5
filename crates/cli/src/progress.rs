//! How far long work is, in one line.

use std::time::Duration;

use steady_model::backup::Operation;
use steady_model::words;

/// What is not known is left out: `copying the data: 41.0 MB of 71.1 MB, 3 of 12 files, 85.0 MB/s, 1 min left`.
pub fn line(work: &Operation) -> String {
    let of = |done: String, total: Option<String>| match total {
        Some(total) => format!("{done} of {total}"),
        None => done,
    };
    let mut known = Vec::new();
    if work.done_bytes > 0 || work.total_bytes > 0 {
        let total = (work.total_bytes > 0).then(|| words::bytes(work.total_bytes));
        known.push(of(words::bytes(work.done_bytes), total));
    }
    if work.done_files > 0 || work.total_files > 0 {
        let total = (work.total_files > 0).then(|| work.total_files.to_string());
        known.push(format!("{} files", of(work.done_files.to_string(), total)));
    }
    known.extend(work.rate.map(|rate| format!("{}/s", words::bytes(rate))));
    known.extend(work.remaining_s.map(|left| format!("{} left", words::span(Duration::from_secs(left)))));
    if known.is_empty() { work.phase.clone() } else { format!("{}: {}", work.phase, known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use steady_model::backup::OperationKind;
    use steady_model::time::WallTime;

    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let started = WallTime("2026-11-23T03:00:00Z".parse().unwrap());
        let begun = Operation::begun("1".into(), OperationKind::Backup, started);
        assert_eq!(line(&begun), "beginning");
        let copying = Operation {
            phase: "copying the data".into(),
            total_bytes: 71_100_000,
            total_files: 12,
            ..begun.clone()
        };
        assert_eq!(line(&copying), "copying the data: 0 B of 71.1 MB, 0 of 12 files");
        let on = Operation {
            done_bytes: 41_000_000,
            done_files: 3,
            rate: Some(85_000_000),
            remaining_s: Some(75),
            ..copying
        };
        assert_eq!(line(&on), "copying the data: 41.0 MB of 71.1 MB, 3 of 12 files, 85.0 MB/s, 1 min left");
        let dumping = Operation { phase: "dumping".into(), done_bytes: 512, ..begun };
        assert_eq!(line(&dumping), "dumping: 512 B");
    }
}
