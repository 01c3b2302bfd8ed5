//! What checks measured beside their one number, under the names that its users know.

use std::collections::{BTreeMap, BTreeSet};

use super::small;
use super::text::{Kind, Page};
use crate::check::Sample;
use crate::snapshot::CheckView;

/// A check with more than this measures rows, not a state.
const PER_CHECK: usize = 200;
/// A page with more of them is a burden for who scrapes it.
const IN_ALL: usize = 5_000;

type Labels = Vec<(String, String)>;

/// All samples of all checks, one family for each name. Of two with the same labels the first counts; what is over
/// the bounds is counted and left out.
pub fn put(page: &mut Page, checks: &[CheckView]) {
    let mut families: BTreeMap<String, Vec<(Labels, f64)>> = BTreeMap::new();
    let mut seen: BTreeSet<(String, Labels)> = BTreeSet::new();
    let mut dropped = 0;
    let mut of_kind: BTreeMap<&str, u32> = BTreeMap::new();
    for check in checks {
        *of_kind.entry(&check.kind).or_default() += 1;
    }
    for check in checks {
        // Two checks of one kind measure the same names. Whether they do so now must not matter: a series that
        // changed its labels with a failure would be another series.
        let several = of_kind.get(check.kind.as_str()).is_some_and(|n| *n > 1);
        for (n, sample) in check.samples.iter().enumerate() {
            let name = word(&sample.metric, true);
            let labels = labels(sample, several.then_some(check.name.as_str()));
            let fits = n < PER_CHECK && seen.len() < IN_ALL && !page.has(&name);
            if fits && seen.insert((name.clone(), labels.clone())) {
                families.entry(name).or_default().push((labels, sample.value));
            } else {
                dropped += 1;
            }
        }
    }
    for (name, samples) in &families {
        let mut family = page.family(name, Kind::Gauge, help(name));
        for (labels, value) in samples {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            family.put(&labels, *value);
        }
    }
    page.family(
        "steady_check_samples_dropped",
        Kind::Gauge,
        "Samples of checks that this page leaves out: too many, or measured twice.",
    )
    .put(&[], small(dropped));
}

fn labels(sample: &Sample, check: Option<&str>) -> Labels {
    let own = sample.labels.iter().map(|(name, value)| (word(name, false), value.clone()));
    let check = check.filter(|_| !sample.labels.contains_key("check"));
    let mut labels: BTreeMap<String, String> = own.collect();
    labels.extend(check.map(|name| ("check".to_owned(), name.to_owned())));
    labels.into_iter().collect()
}

/// A name that the formats allow: what a command calls its figures may be anything.
fn word(name: &str, colons: bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let mut word: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':')) {
        word.insert(0, '_');
    }
    word
}

fn help(name: &str) -> &'static str {
    match name {
        "pkg_outbox_depth" => "Events of the outbox that are not processed yet.",
        "pkg_outbox_pending_events" => "Events of the outbox that are not processed yet, by type.",
        "pkg_outbox_oldest_pending_seconds" => "Age of the oldest event that is not processed yet.",
        "pkg_outbox_failed_events" => "Events that were given up.",
        "pkg_chunks_total" => "Chunks by status.",
        _ => "Measured by a check.",
    }
}
