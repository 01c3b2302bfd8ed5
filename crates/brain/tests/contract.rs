//! The API against its own document: whatever is asked, right or wrong, is answered as documented.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at what does not hold"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::process::Command;

use common::World;

/// Deterministic: the same requests each time, some hundreds of them.
const HOW: [&str; 7] = [
    "--generation-deterministic",
    "--max-examples=30",
    "--phases=coverage,fuzzing",
    "--workers=2",
    "--no-color",
    "--request-timeout=20",
    "--max-failures=5",
];

#[tokio::test]
async fn every_answer_is_one_of_those_that_the_document_promises() {
    let world = World::new();
    world.note("a.md", "# A\nquince #fruit [[b]]");
    world.note("b.md", "---\ntitle: B\n---\nplum");
    let brain = world.serve();
    brain.index().await;
    let out = Command::new("schemathesis")
        .args(["run", &brain.url("/api/openapi.json")])
        .args(HOW)
        .current_dir(world.dir.path())
        .output()
        .expect("schemathesis; `make test` installs it");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("No issues found") || said.contains("passed"), "it tested nothing: {said}");
}
