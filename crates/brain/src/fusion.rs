//! Two rankings as one, by reciprocal-rank fusion. Pure.
//!
//! G. V. Cormack, C. L. A. Clarke, S. Buettcher: "Reciprocal rank fusion outperforms Condorcet and individual rank
//! learning methods", SIGIR 2009. A document's score is the sum of `1 / (k + rank)` over the rankings that have it.

use std::cmp::Ordering;
use std::collections::HashMap;

/// The paper's constant: the lead of a first place counts, but does not decide alone.
const K: f64 = 60.0;

/// The keys of all rankings with their scores, best first; equal scores in the order of their keys.
pub fn fuse<'a>(rankings: &[Vec<&'a str>]) -> Vec<(&'a str, f64)> {
    let mut scores: HashMap<&str, f64> = HashMap::new();
    for ranking in rankings {
        let mut rank = 0.0;
        for key in ranking {
            rank += 1.0;
            *scores.entry(key).or_default() += 1.0 / (K + rank);
        }
    }
    let mut fused: Vec<_> = scores.into_iter().collect();
    fused.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then_with(|| a.0.cmp(b.0)));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(rankings: &[Vec<&'static str>]) -> Vec<&'static str> {
        fuse(rankings).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn what_both_rankings_have_comes_before_what_one_of_them_leads() {
        assert_eq!(keys(&[vec!["a", "b"], vec!["c", "b"]]), ["b", "a", "c"]);
        let scores = fuse(&[vec!["a", "b"], vec!["b"]]);
        assert!((scores[0].1 - (1.0 / 62.0 + 1.0 / 61.0)).abs() < 1e-12, "{scores:?}");
        assert_eq!(keys(&[vec!["x", "y"], vec![]]), ["x", "y"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_a_ranking_alone_keeps_its_order(
            one in prop::collection::hash_set("[a-f]{1,2}", 0..20), two in prop::collection::hash_set("[a-f]{1,2}", 0..20)
        ) {
            let one: Vec<&str> = one.iter().map(String::as_str).collect();
            let two: Vec<&str> = two.iter().map(String::as_str).collect();
            let mut all: Vec<&str> = one.iter().chain(&two).copied().collect();
            all.sort_unstable();
            all.dedup();
            let mut fused: Vec<&str> = fuse(&[one.clone(), two]).into_iter().map(|(key, _)| key).collect();
            fused.sort_unstable();
            prop_assert_eq!(fused, all);
            prop_assert_eq!(fuse(std::slice::from_ref(&one)).into_iter().map(|(key, _)| key).collect::<Vec<_>>(), one);
        }
    }
}
