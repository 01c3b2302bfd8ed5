//! What is odd about a job beside its own past: notes, not alarms.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Outcome, RunRecord, run::TEXTS};
use crate::words;

/// Fewer runs are no past to compare with.
const PAST: usize = 5;
/// So many runs in a row with the same amount of work are no accident.
const ALIKE: usize = 4;
/// Shorter runs vary by themselves.
const LEAST: Duration = Duration::from_secs(10);

/// Compares the newest whole run with those before it. `runs` oldest first.
pub fn notes(runs: &[RunRecord]) -> Vec<String> {
    let done: Vec<&RunRecord> = runs
        .iter()
        .filter(|r| r.part.is_none() && matches!(r.outcome, Outcome::Succeeded | Outcome::Partial { .. }))
        .collect();
    let Some((newest, past)) = done.split_last() else { return Vec::new() };
    duration(newest, past).into_iter().chain(same_work(&done)).collect()
}

fn took(run: &RunRecord) -> Duration {
    run.ended.since(run.started).unwrap_or_default()
}

fn duration(newest: &RunRecord, past: &[&RunRecord]) -> Option<String> {
    if past.len() < PAST {
        return None;
    }
    let mut all: Vec<Duration> = past.iter().map(|r| took(r)).collect();
    all.sort();
    let median = *all.get(all.len() / 2)?;
    let p95 = *all.get((all.len() * 95).div_ceil(100).saturating_sub(1))?;
    let took = took(newest);
    let told = |word: &str| {
        format!("the last run took {}, {word} than its {} usually", words::span(took), words::span(median))
    };
    if median >= LEAST && took < median / 5 {
        Some(told("much less"))
    } else if took >= LEAST && took > p95.saturating_mul(3) {
        Some(told("much more"))
    } else {
        None
    }
}

/// The same work done again in each run: what was done is not remembered, and each time paid for.
fn same_work(done: &[&RunRecord]) -> Option<String> {
    let amounts: Vec<BTreeMap<(String, String), u64>> = done.iter().rev().map(|run| amounts(run)).collect();
    let newest = amounts.first()?;
    newest.iter().find_map(|((event, verb), n)| {
        let key = (event.clone(), verb.clone());
        let alike = amounts.iter().take_while(|a| a.get(&key) == Some(n)).count();
        let differed = alike < amounts.len();
        let all_of_it = newest.get(&(event.clone(), "skipped".to_owned())) == Some(&0);
        let odd = verb != "skipped" && *n > 1 && alike >= ALIKE && (differed || all_of_it);
        odd.then(|| format!("{alike} runs in a row said \"{verb} {n}\" ({event}): the same work each time?"))
    })
}

/// Words followed by a number in the texts of milestones, such as `Extracted 35`, but for what was not done.
fn amounts(run: &RunRecord) -> BTreeMap<(String, String), u64> {
    let mut found = BTreeMap::new();
    for milestone in &run.milestones {
        let texts = TEXTS.iter().filter_map(|key| milestone.fields.get(*key)?.as_str());
        for text in texts {
            let words: Vec<&str> =
                text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
            for pair in words.windows(2) {
                if let [word, number] = pair
                    && word.chars().all(char::is_alphabetic)
                    && *word != "failed"
                    && let Ok(n) = number.parse()
                {
                    found.insert((milestone.event.clone(), (*word).to_owned()), n);
                }
            }
        }
    }
    found
}
