//! Which restore points stay and which go.

use jiff::tz::TimeZone;
use steady_model::retention::{PrunePlan, PruneRecord};
use steady_model::words;

use crate::table::table;

/// `zone` is that of the days that stay.
pub fn plan(plan: &PrunePlan, zone: &TimeZone) -> String {
    if plan.points.is_empty() {
        return "No restore points yet.".to_owned();
    }
    let mut t = table(&["", "ID", "TAKEN", "SIZE", "WHY"]);
    for fate in &plan.points {
        let why: Vec<&str> = fate.reasons.iter().map(|reason| reason.text.as_str()).collect();
        let id: String = fate.id.chars().take(12).collect();
        let word = if fate.keep { "stays" } else { "goes" };
        let taken = fate.taken.0.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        t.add_row(vec![word.to_owned(), id, taken, words::bytes(fate.bytes), why.join("; ")]);
    }
    let going = plan.points.iter().filter(|fate| !fate.keep).count();
    let stay = plan.points.len() - going;
    format!("{t}\n{going} would go and {stay} stay; that frees {}.", words::bytes(plan.frees))
}

pub fn record(record: &PruneRecord) -> String {
    let freed = words::bytes(record.freed);
    match (record.removed, record.freed) {
        (0, 0) => "Nothing had to go.".to_owned(),
        (0, _) => format!("No restore point had to go; {freed} that nobody needed were freed."),
        (1, _) => format!("1 restore point removed, {freed} freed."),
        (n, _) => format!("{n} restore points removed, {freed} freed."),
    }
}

#[cfg(test)]
mod tests {
    use steady_model::backup::PointKind;
    use steady_model::retention::{Fate, Reason, Rule};
    use steady_model::time::WallTime;

    use super::*;

    fn fate(id: &str, taken: &str, keep: bool, reasons: &[(Rule, &str)]) -> Fate {
        let taken = WallTime(taken.parse().unwrap());
        let reasons = reasons.iter().map(|(rule, text)| Reason { rule: *rule, text: (*text).to_owned() });
        Fate {
            id: id.to_owned(),
            taken,
            verified: Some(taken),
            kind: PointKind::Scheduled,
            bytes: 1_200_000,
            keep,
            reasons: reasons.collect(),
        }
    }

    #[test]
    fn each_point_is_shown_with_its_fate_and_the_reasons() {
        let newest = [(Rule::Newest, "the newest"), (Rule::Daily, "daily: 2026-11-23")];
        let replaced = [(Rule::Replaced, "4bf1c000 stands for the day 2026-11-23")];
        let points = vec![
            fate("4bf1c0000000aaaa", "2026-11-23T11:00:00Z", true, &newest),
            fate("0d9e5f110000bbbb", "2026-11-22T23:30:00Z", false, &replaced),
        ];
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let told = plan(&PrunePlan { points, frees: 61_000_000 }, &berlin);
        let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_was_removed_is_told_in_numbers() {
        let of = |removed, freed| {
            let ended = WallTime("2026-11-23T11:00:00Z".parse().unwrap());
            record(&PruneRecord { ended, removed, freed, failed: None })
        };
        let all = [of(0, 0), of(0, 4_170_000_000), of(1, 60_000_000), of(7, 600_000_000)];
        insta::assert_snapshot!(all.join("\n"));
    }
}
