//! What reading a restore point back found, and whether its rows can be believed.
//!
//! A point may hold exactly the bytes that were there and still be worthless: an emptied table is backed up as
//! faithfully as a full one. So its rows are compared with the last point that was good.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::backup::StoreEntry;
use crate::config::Verification;

/// Something a verification found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    pub kind: FindingKind,
    /// Names the file, store or table; one sentence.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The bytes in the repository are not those that were backed up, or a database in them is broken.
    Damaged,
    /// Rows are gone that the last verified point had.
    Collapsed,
    /// Counts that must be equal are not.
    Unequal,
}

impl Finding {
    pub fn damaged(text: impl Into<String>) -> Self {
        Self { kind: FindingKind::Damaged, text: text.into() }
    }
}

/// A part of a verification: the files of one point are spread over `of` slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Slice {
    /// From 1 to `of`.
    pub part: u32,
    pub of: u32,
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(n, m)| Some((n.trim().parse().ok()?, m.trim().parse().ok()?)));
        match parts {
            Some((part, of)) if (1..=of).contains(&part) && of <= 1000 => Ok(Self { part, of }),
            _ => Err(format!("\"{text}\" is no slice such as 1/7: the first number is from 1 to the second")),
        }
    }
}

/// A verification in slices that is under way; it may go on after days and restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reading {
    pub of: u32,
    /// Slices that were read, sorted.
    pub done: Vec<u32>,
    pub findings: Vec<Finding>,
}

impl Reading {
    /// Goes on with what is under way, or begins anew when the slices are others.
    #[must_use]
    pub fn with(before: Option<Self>, slice: Slice, found: Vec<Finding>) -> Self {
        let mut reading =
            before.filter(|b| b.of == slice.of).unwrap_or_else(|| Self { of: slice.of, ..Self::default() });
        if let Err(place) = reading.done.binary_search(&slice.part) {
            reading.done.insert(place, slice.part);
        }
        for finding in found {
            if !reading.findings.contains(&finding) {
                reading.findings.push(finding);
            }
        }
        reading
    }

    pub fn is_complete(&self) -> bool {
        self.done.len() as u64 == u64::from(self.of)
    }
}

/// Below this many rows a share says nothing: only a fall to none counts.
const FEW_ROWS: u64 = 20;

/// Rows that the last good point had and this one has not.
pub fn compare(before: &[StoreEntry], after: &[StoreEntry], rules: &Verification) -> Vec<Finding> {
    before
        .iter()
        .flat_map(|store| losses(store, after.iter().find(|a| a.path == store.path), rules))
        .collect()
}

fn losses(before: &StoreEntry, after: Option<&StoreEntry>, rules: &Verification) -> Vec<Finding> {
    let may = |table: &str| {
        rules.may_shrink.iter().any(|m| *m == before.path || *m == format!("{}:{table}", before.path))
    };
    let collapsed = |text| Finding { kind: FindingKind::Collapsed, text };
    let had = before.rows.iter().filter(|t| t.rows > 0 && !may(&t.table));
    let Some(after) = after else {
        let rows: u64 = had.map(|t| t.rows).sum();
        let text = format!("{}: the database is gone; it had {}", before.path, rows_of(rows));
        return if rows > 0 { vec![collapsed(text)] } else { Vec::new() };
    };
    let now: BTreeMap<&str, u64> = after.rows.iter().map(|t| (t.table.as_str(), t.rows)).collect();
    had.filter_map(|t| {
        let place = format!("{}, table {}", before.path, t.table);
        match now.get(t.table.as_str()) {
            None => Some(format!("{place}: {} before, and the table is gone now", rows_of(t.rows))),
            Some(0) => Some(format!("{place}: {} before, none now", rows_of(t.rows))),
            Some(&rows) if t.rows >= FEW_ROWS && lost(t.rows, rows) > u64::from(rules.max_loss) => {
                Some(format!("{place}: {} before, {rows} now", rows_of(t.rows)))
            }
            Some(_) => None,
        }
    })
    .map(collapsed)
    .collect()
}

/// Percent of `before`, rounded up.
fn lost(before: u64, now: u64) -> u64 {
    let gone = u128::from(before.saturating_sub(now));
    u64::try_from((gone * 100).div_ceil(u128::from(before.max(1)))).unwrap_or(100)
}

fn rows_of(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// Counts that the configuration wants equal and that are not, or that cannot be found.
pub fn unequal(stores: &[StoreEntry], rules: &Verification) -> Vec<Finding> {
    rules.equal.iter().filter_map(|rule| judge_rule(stores, rule)).collect()
}

fn judge_rule(stores: &[StoreEntry], rule: &[String]) -> Option<Finding> {
    let counts: Vec<(&String, Option<u64>)> = rule.iter().map(|name| (name, count(stores, name))).collect();
    let first = counts.first().and_then(|(_, rows)| *rows);
    if first.is_some() && counts.iter().all(|(_, rows)| *rows == first) {
        return None;
    }
    let shown = counts.iter().map(|(name, rows)| match rows {
        Some(rows) => format!("{name} has {}", rows_of(*rows)),
        None => format!("{name} is not there"),
    });
    let shown: Vec<String> = shown.collect();
    let text = format!("counts that must be equal are not: {}", shown.join(", "));
    Some(Finding { kind: FindingKind::Unequal, text })
}

/// `store:table`; the store's path may hold colons, the table's name not.
fn count(stores: &[StoreEntry], name: &str) -> Option<u64> {
    let (path, table) = name.rsplit_once(':')?;
    let store = stores.iter().find(|s| s.path == path)?;
    store.rows.iter().find(|t| t.table == table).map(|t| t.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::TableRows;

    fn store(path: &str, tables: &[(&str, u64)]) -> StoreEntry {
        let rows = tables.iter().map(|(t, rows)| TableRows { table: (*t).into(), rows: *rows }).collect();
        StoreEntry { path: path.into(), bytes: 1, rows, integrity: "ok".into() }
    }

    fn texts(before: &[StoreEntry], after: &[StoreEntry], rules: &Verification) -> Vec<String> {
        compare(before, after, rules).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn a_collapse_names_store_table_before_and_after() {
        let before = [store("a.db", &[("notes", 400), ("tags", 3), ("gone", 7)]), store("b.db", &[("t", 5)])];
        let after = [store("a.db", &[("notes", 150), ("tags", 0), ("new", 1)])];
        assert_eq!(
            texts(&before, &after, &Verification::default()),
            [
                "a.db, table notes: 400 rows before, 150 now",
                "a.db, table tags: 3 rows before, none now",
                "a.db, table gone: 7 rows before, and the table is gone now",
                "b.db: the database is gone; it had 5 rows",
            ]
        );
    }

    #[test]
    fn growth_small_losses_and_what_may_shrink_are_no_findings() {
        let before =
            [store("a.db", &[("notes", 400), ("few", 4), ("empty", 0)]), store("queue.db", &[("q", 9)])];
        let after = [store("a.db", &[("notes", 200), ("few", 1), ("empty", 0)])];
        let rules = Verification { may_shrink: vec!["queue.db".into()], ..Verification::default() };
        assert!(texts(&before, &after, &rules).is_empty(), "{:?}", texts(&before, &after, &rules));
        let after =
            [store("a.db", &[("notes", 199), ("few", 9), ("empty", 0)]), store("queue.db", &[("q", 0)])];
        assert_eq!(texts(&before, &after, &rules).len(), 1, "50 % is allowed, and no row more");
        let one = Verification { may_shrink: vec!["queue.db:q".into(), "a.db:notes".into()], ..rules };
        assert!(texts(&before, &after, &one).is_empty());
    }

    #[test]
    fn counts_that_must_be_equal_are_told_with_their_numbers() {
        let stores = [store("chat.db", &[("messages", 3)]), store("v:1.db", &[("vectors", 2)])];
        let rule = |names: &[&str]| Verification {
            equal: vec![names.iter().map(|n| (*n).to_owned()).collect()],
            ..Verification::default()
        };
        assert!(unequal(&stores, &rule(&["chat.db:messages", "chat.db:messages"])).is_empty());
        let told = |names: &[&str]| unequal(&stores, &rule(names)).pop().unwrap().text;
        assert_eq!(
            told(&["chat.db:messages", "v:1.db:vectors"]),
            "counts that must be equal are not: chat.db:messages has 3 rows, v:1.db:vectors has 2 rows"
        );
        assert!(
            told(&["chat.db:mesages", "chat.db:mesages"]).contains("is not there"),
            "two unknowns are not equal"
        );
    }

    #[test]
    fn slices_are_read_in_any_order_and_counted_once() {
        let slice = |text: &str| text.parse::<Slice>().unwrap();
        let mut reading = None;
        for part in ["2/3", "2/3", "1/3"] {
            reading = Some(Reading::with(reading, slice(part), Vec::new()));
        }
        assert!(!reading.clone().unwrap().is_complete());
        let whole = Reading::with(reading.clone(), slice("3/3"), vec![Finding::damaged("x")]);
        assert!(whole.is_complete() && whole.findings.len() == 1);
        assert_eq!(Reading::with(reading, slice("1/7"), Vec::new()).done, [1], "other slices begin anew");
        for bad in ["", "0/3", "4/3", "1", "a/b", "1/5000"] {
            assert!(bad.parse::<Slice>().is_err(), "{bad}");
        }
    }
}
