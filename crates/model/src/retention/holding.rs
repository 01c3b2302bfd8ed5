//! The last point that holds a database.
//!
//! A loss that a person accepted, or that nobody noticed because the database went away in an orderly manner, would
//! else become final on the day when the last point from before it is old enough.

use std::collections::BTreeSet;

use super::{Case, Rule};

/// Of each database the newest good point in which it opened and had rows stays, but for those in `rebuildable`.
pub(super) fn last_of_each(cases: &mut [Case<'_>], rebuildable: &[String]) {
    let mut held = BTreeSet::new();
    // The newest good one stays anyhow, and holds what is there today.
    for (age, case) in cases.iter_mut().filter(|case| case.is_good()).enumerate() {
        let stores = case.point.stores.iter().filter(|store| {
            store.integrity == "ok"
                && store.rows.iter().any(|table| table.rows > 0)
                && !rebuildable.contains(&store.path)
        });
        let new: Vec<&str> =
            stores.map(|store| store.path.as_str()).filter(|path| held.insert(*path)).collect();
        if age > 0
            && let Some(first) = new.first()
        {
            let more = if new.len() > 1 { format!(" and {} more", new.len() - 1) } else { String::new() };
            case.stays(Rule::LastOfStore, &format!("the last that holds {first}{more}"));
        }
    }
}
