//! One restore point, whole.

use steady_model::backup::{PointKind, RestorePoint, StoreEntry};
use steady_model::time::WallTime;
use steady_model::words;

use crate::table::ago;

pub fn kind(kind: PointKind) -> &'static str {
    match kind {
        PointKind::Manual => "by hand",
        PointKind::Scheduled => "scheduled",
        PointKind::Safety => "before a restore",
    }
}

/// How a point came to be.
pub fn how(point: &RestorePoint) -> &'static str {
    if point.imported.is_some() { "imported" } else { kind(point.kind) }
}

pub fn point(point: &RestorePoint, now: WallTime) -> String {
    let verified = match (point.verified, point.missing.is_empty()) {
        (Some(at), _) => format!("{at} ({})", ago(Some(at), now)),
        (None, true) => "no".to_owned(),
        (None, false) => "no: it is incomplete".to_owned(),
    };
    let mut lines = vec![
        format!("Restore point {}", point.id),
        format!("  taken       {} ({}), {}", point.taken, ago(Some(point.taken), now), how(point)),
        format!("  verified    {verified}"),
        format!(
            "  holds       {} in {} files; it added {} to the repository",
            words::bytes(point.bytes),
            point.files,
            words::bytes(point.added)
        ),
    ];
    lines.extend(point.imported.iter().map(|from| format!("  imported    from {from}")));
    lines.extend(point.stores.iter().map(|s| format!("  database    {}", store(s))));
    lines.extend(point.notes.iter().map(|note| format!("  note        {note}")));
    lines.extend(point.findings.iter().map(|finding| format!("  wrong       {}", finding.text)));
    lines.extend(point.missing.iter().map(|missing| format!("  missing     {missing}")));
    lines.join("\n")
}

fn store(store: &StoreEntry) -> String {
    let rows: Vec<String> = store.rows.iter().map(|t| format!("{} {}", t.rows, t.table)).collect();
    let rows = if rows.is_empty() { "no tables".to_owned() } else { rows.join(", ") };
    let integrity = if store.integrity == "ok" { String::new() } else { format!("; {}", store.integrity) };
    format!("{} ({}): {rows}{integrity}", store.path, words::bytes(store.bytes))
}

#[cfg(test)]
mod tests {
    use steady_model::backup::TableRows;

    use super::*;

    #[test]
    fn a_point_tells_what_it_holds_and_what_it_lacks() {
        let at = |text: &str| WallTime(text.parse().unwrap());
        let rows =
            vec![TableRows { table: "notes".into(), rows: 19 }, TableRows { table: "tags".into(), rows: 0 }];
        let whole = StoreEntry { path: "brain.db".into(), bytes: 81_920, rows, integrity: "ok".into() };
        let damaged = StoreEntry {
            path: "old.db".into(),
            rows: vec![],
            integrity: "row 3 missing from index".into(),
            ..whole.clone()
        };
        let told = point(
            &RestorePoint {
                id: "4bf1c0".into(),
                taken: at("2026-11-23T03:00:00Z"),
                verified: None,
                kind: PointKind::Scheduled,
                bytes: 1_200_000,
                files: 42,
                added: 60_000,
                missing: vec!["notes/secret.md: permission denied".into()],
                notes: vec!["the job daily-sync ran while it was taken".into()],
                findings: Vec::new(),
                reading: None,
                stores: vec![whole, damaged],
                imported: None,
            },
            at("2026-11-23T05:00:00Z"),
        );
        insta::assert_snapshot!(told);
    }
}
