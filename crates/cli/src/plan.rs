//! What a restore would do, for the person who has to agree to it.

use steady_model::backup::RestorePlan;
use steady_model::time::WallTime;
use steady_model::words;

use crate::table::ago;

pub fn plan(plan: &RestorePlan, now: WallTime) -> String {
    let verified = match plan.point.verified {
        Some(at) => format!("verified {}", ago(Some(at), now)),
        None => "not verified".to_owned(),
    };
    let (taken, age) = (plan.point.taken, ago(Some(plan.point.taken), now));
    let room = format!("{} of {} free", words::bytes(plan.needed_bytes), words::bytes(plan.free_bytes));
    let mut lines = vec![format!("Restores the point of {taken} ({age}), {verified}")];
    if plan.elsewhere {
        lines.push(format!("  writes to   {}; the data and the services are left alone", plan.target));
    } else {
        lines.push(format!("  replaces    {} ({} now)", plan.target, words::bytes(plan.current_bytes)));
    }
    if plan.only.is_empty() {
        lines.push(format!("  with        {} in {} files", words::bytes(plan.point.bytes), plan.point.files));
    } else {
        lines.extend(plan.only.iter().map(|path| format!("  only        {path}")));
    }
    lines.push(format!("  needs       {room}"));
    if !plan.elsewhere {
        let stops = if plan.stops.is_empty() { "nothing".to_owned() } else { plan.stops.join(", ") };
        lines.push(format!("  stops       {stops}"));
        lines.push("  keeps       the present state, for `steady undo`".to_owned());
    }
    lines.extend(plan.lost.iter().map(|l| format!("  loses       {l}")));
    lines.extend(plan.cautions.iter().map(|c| format!("  caution     {c}")));
    lines.extend(plan.obstacles.iter().map(|o| format!("  impossible  {o}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use steady_model::backup::{PointKind, RestorePoint};

    use super::*;

    fn at(text: &str) -> WallTime {
        WallTime(text.parse().unwrap())
    }

    fn in_place() -> RestorePlan {
        RestorePlan {
            point: RestorePoint {
                id: "4bf1c0".into(),
                taken: at("2026-11-22T03:00:00Z"),
                verified: Some(at("2026-11-22T03:01:00Z")),
                kind: PointKind::Scheduled,
                bytes: 1_200_000,
                files: 42,
                added: 60_000,
                missing: Vec::new(),
                notes: Vec::new(),
                findings: Vec::new(),
                reading: None,
                stores: Vec::new(),
                imported: None,
            },
            target: "/home/ada/brain/data".into(),
            elsewhere: false,
            only: Vec::new(),
            stops: vec!["brain".into()],
            current_bytes: 1_300_000,
            free_bytes: 9_000_000_000,
            needed_bytes: 2_400_000,
            lost: vec!["brain.db, table notes: 4 rows newer than the point".into()],
            obstacles: Vec::new(),
            cautions: Vec::new(),
        }
    }

    #[test]
    fn a_plan_says_what_is_replaced_and_what_would_be_lost() {
        insta::assert_snapshot!(plan(&in_place(), at("2026-11-23T05:00:00Z")));
    }

    #[test]
    fn a_plan_for_another_folder_promises_to_leave_the_data_alone() {
        let elsewhere = RestorePlan {
            target: "/home/ada/rescued".into(),
            elsewhere: true,
            only: vec!["vault/note.md".into()],
            stops: Vec::new(),
            lost: Vec::new(),
            obstacles: vec!["cannot restore to /home/ada/rescued: it is not empty; name a new folder".into()],
            ..in_place()
        };
        insta::assert_snapshot!(plan(&elsewhere, at("2026-11-23T05:00:00Z")));
    }
}
