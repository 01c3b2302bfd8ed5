//! Promises of suppression: a cause hides its effects, and something is always shown.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use steady_model::check::Status::{self, Fail, Pass, Unknown, Warn};
use steady_model::explain::{Node, explain};

/// `(name, status, service, depends_on)`, and the services in trouble; gives `effect<cause`.
fn told(nodes: &[(&str, Status, Option<&str>, &[&str])], services: &[(&str, Status)]) -> Vec<String> {
    let depends: Vec<Vec<String>> =
        nodes.iter().map(|n| n.3.iter().map(|&d| d.to_owned()).collect()).collect();
    let nodes: Vec<Node<'_>> = nodes
        .iter()
        .zip(&depends)
        .map(|((name, told, service, _), depends_on)| Node {
            name,
            told: *told,
            service: *service,
            depends_on,
        })
        .collect();
    let causes = explain(&nodes, &services.iter().copied().collect());
    causes.iter().map(|(place, cause)| format!("{}<{cause}", nodes[*place].name)).collect()
}

#[test]
fn an_engine_that_is_down_is_one_red_and_not_four() {
    let nodes: [(&str, Status, Option<&str>, &[&str]); 5] = [
        ("api", Fail, None, &["postgres", "graph"]),
        ("docker", Fail, None, &[]),
        ("graph", Fail, None, &["docker"]),
        ("postgres", Unknown, None, &["docker"]),
        ("vault", Fail, None, &[]),
    ];
    assert_eq!(told(&nodes, &[]), ["api<docker", "graph<docker", "postgres<docker"]);
}

#[test]
fn a_cause_reaches_through_a_check_that_still_passes() {
    let nodes: [(&str, Status, Option<&str>, &[&str]); 3] = [
        ("api", Fail, None, &["postgres"]),
        ("docker", Fail, None, &[]),
        ("postgres", Pass, None, &["docker"]),
    ];
    assert_eq!(told(&nodes, &[]), ["api<docker"]);
}

#[test]
fn a_cause_that_merely_warns_hides_no_failure() {
    let nodes: [(&str, Status, Option<&str>, &[&str]); 4] = [
        ("disk", Warn, None, &[]),
        ("index", Fail, None, &["disk"]),
        ("search", Warn, None, &["disk"]),
        ("vault", Unknown, None, &["disk"]),
    ];
    assert_eq!(told(&nodes, &[]), ["search<disk"]);
}

#[test]
fn a_service_that_is_down_explains_all_that_looks_at_it_and_one_with_a_warning_does_not() {
    let nodes: [(&str, Status, Option<&str>, &[&str]); 2] =
        [("health", Fail, Some("brain"), &[]), ("search", Fail, None, &["health"])];
    assert_eq!(told(&nodes, &[("brain", Fail)]), ["health<brain", "search<brain"]);
    assert_eq!(told(&nodes, &[("brain", Warn)]), ["search<health"]);
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Pass), Just(Unknown), Just(Warn), Just(Fail)]
}

proptest! {
    /// Any graph, also one with cycles, which the configuration refuses.
    #[test]
    fn whatever_is_hidden_its_cause_is_shown_and_no_trouble_becomes_green(
        looks in prop::collection::vec((status(), prop::collection::vec(0..8_usize, 0..4), prop::option::of(0..3_usize)), 1..8),
        services in prop::collection::btree_map(0..3_usize, prop_oneof![Just(Warn), Just(Fail)], 0..3),
    ) {
        let name = |n: usize| format!("check{n}");
        let names: Vec<String> = (0..looks.len()).map(name).collect();
        let service_names = ["s0", "s1", "s2"];
        let depends: Vec<Vec<String>> = looks.iter().map(|l| l.1.iter().map(|d| name(*d)).collect()).collect();
        let nodes: Vec<Node<'_>> = looks.iter().enumerate().map(|(i, look)| Node {
            name: &names[i], told: look.0, service: look.2.map(|s| service_names[s]), depends_on: &depends[i],
        }).collect();
        let troubled: BTreeMap<&str, Status> = services.iter().map(|(s, status)| (service_names[*s], *status)).collect();
        let causes = explain(&nodes, &troubled);
        for (place, cause) in &causes {
            let effect = nodes[*place].told;
            prop_assert_ne!(effect, Pass);
            let (shown, strength) = match nodes.iter().position(|n| n.name == cause) {
                Some(at) => (!causes.contains_key(&at), nodes[at].told),
                None => (true, troubled[cause.as_str()]),
            };
            prop_assert!(shown, "{} is hidden by {cause}, which is hidden itself", names[*place]);
            prop_assert_ne!(strength, Pass);
            prop_assert!(strength != Warn || effect == Warn, "a warning hid {effect:?}");
        }
        let all = nodes.iter().map(|n| n.told).chain(troubled.values().copied());
        let shown = nodes.iter().enumerate().filter(|(i, _)| !causes.contains_key(i)).map(|(_, n)| n.told);
        let (before, after) = (all.max().unwrap(), shown.chain(troubled.values().copied()).max().unwrap_or(Pass));
        prop_assert_eq!(before == Pass, after == Pass);
        // Only a cause that is not known may stand for a failure.
        prop_assert!(after == before || after == Unknown || nodes.iter().any(|n| n.told == Unknown));
    }
}
