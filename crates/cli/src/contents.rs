//! What restore points hold, and how two of them differ.

use jiff::tz::TimeZone;
use steady_model::contents::{Change, EntryClass, FileChange, PointDiff, PointFolder, StoreChange};
use steady_model::words;

use crate::table::table;

pub fn folder(folder: &PointFolder, zone: &TimeZone) -> String {
    if folder.entries.is_empty() {
        return "The folder is empty.".to_owned();
    }
    let mut t = table(&["NAME", "SIZE", "FILES", "CHANGED", "CLASS"]);
    for entry in &folder.entries {
        let is_folder = entry.class == EntryClass::Folder;
        let changed =
            entry.modified.map(|at| at.0.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
        t.add_row(vec![
            format!("{}{}", entry.name, if is_folder { "/" } else { "" }),
            words::bytes(entry.bytes),
            if is_folder { entry.files.to_string() } else { String::new() },
            changed.unwrap_or_default(),
            entry.class.word().to_owned(),
        ]);
    }
    if folder.more > 0 { format!("{t}\nand {} more", folder.more) } else { t.to_string() }
}

pub fn diff(diff: &PointDiff) -> String {
    let mut lines: Vec<String> = diff.stores.iter().flat_map(store).collect();
    lines.extend(diff.files.iter().map(file));
    if diff.more > 0 {
        lines.push(format!("and {} more files", diff.more));
    }
    let same = match diff.unchanged {
        1 => "1 is the same in both".to_owned(),
        n => format!("{n} are the same in both"),
    };
    if lines.is_empty() {
        return format!("Nothing differs: {same}.");
    }
    lines.push(format!("{same}."));
    lines.join("\n")
}

fn mark(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    }
}

fn sizes(before: Option<u64>, after: Option<u64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before == after => words::bytes(after),
        (Some(before), Some(after)) => format!("{} → {}", words::bytes(before), words::bytes(after)),
        (Some(one), None) | (None, Some(one)) => words::bytes(one),
        (None, None) => String::new(),
    }
}

fn file(file: &FileChange) -> String {
    format!("{} {} ({})", mark(file.change), file.path, sizes(file.bytes_before, file.bytes_after))
}

fn store(store: &StoreChange) -> Vec<String> {
    let size = sizes(store.bytes_before, store.bytes_after);
    let same = store.change == Change::Changed && store.tables.is_empty();
    let rows = if same { ", as many rows in each table" } else { "" };
    let head = format!("{} {} ({size}), database{rows}", mark(store.change), store.path);
    let tables = store.tables.iter().map(|t| {
        let rows = match (t.rows_before, t.rows_after) {
            (Some(before), Some(after)) => format!("{before} → {after} rows"),
            (None, Some(after)) => format!("new, {after} rows"),
            (Some(before), None) => format!("gone, it had {before} rows"),
            (None, None) => String::new(),
        };
        format!("    {}: {rows}", t.table)
    });
    std::iter::once(head).chain(tables).collect()
}

#[cfg(test)]
mod tests {
    use steady_model::contents::{PointEntry, TableChange};
    use steady_model::time::WallTime;

    use super::*;

    #[test]
    fn two_points_are_compared_in_words_with_numbers() {
        let table = |name: &str, rows_before, rows_after| TableChange {
            table: name.to_owned(),
            rows_before,
            rows_after,
        };
        let store = |path: &str, change, tables| StoreChange {
            path: path.to_owned(),
            change,
            bytes_before: (change != Change::Added).then_some(81_920),
            bytes_after: (change != Change::Removed).then_some(90_112),
            tables,
        };
        let rows = vec![
            table("notes", Some(19), Some(24)),
            table("tags", None, Some(2)),
            table("old", Some(3), None),
        ];
        let files = [("a.md", Change::Added, None, Some(10)), ("b.md", Change::Changed, Some(5), Some(2000))];
        let mut compared = PointDiff {
            before: "a".into(),
            after: "b".into(),
            stores: vec![store("brain.db", Change::Changed, rows), store("same.db", Change::Changed, vec![])],
            files: files
                .into_iter()
                .map(|(path, change, bytes_before, bytes_after)| FileChange {
                    path: path.into(),
                    change,
                    bytes_before,
                    bytes_after,
                })
                .collect(),
            more: 7,
            unchanged: 4012,
        };
        let told = diff(&compared);
        compared = PointDiff { stores: vec![], files: vec![], more: 0, unchanged: 1, ..compared };
        insta::assert_snapshot!(format!("{told}\n\n{}", diff(&compared)));
    }

    #[test]
    fn a_folder_is_listed_with_sizes_times_and_classes() {
        let entry = |name: &str, class, bytes, files, modified: Option<&str>| PointEntry {
            name: name.to_owned(),
            class,
            bytes,
            files,
            modified: modified.map(|at| WallTime(at.parse().unwrap())),
        };
        let told = PointFolder {
            point: "a".into(),
            path: String::new(),
            entries: vec![
                entry("vault", EntryClass::Folder, 23_000_000, 5000, Some("2026-11-20T10:00:00Z")),
                entry("brain.db", EntryClass::Database, 245_000_000, 1, Some("2026-11-23T11:59:59Z")),
                entry("postgres/pkg.dump", EntryClass::Dump, 1_000, 1, None),
            ],
            more: 3,
        };
        let told = folder(&told, &TimeZone::UTC);
        let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
