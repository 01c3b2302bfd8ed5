//! Search by meaning, with a service that speaks Ollama's words; and without it, when it fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is surprised"
)]
#![allow(clippy::disallowed_methods, reason = "the tests wait in real time")]

mod common;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use common::{Brain, World, until};
use serde_json::{Value, json};

/// Answers `POST /api/embed` with vectors by the words of a text, where words of one line mean the same.
struct Service {
    port: u16,
    asked: Arc<Asked>,
}

#[derive(Default)]
struct Asked {
    times: AtomicUsize,
    /// 0 answers well, anything else is answered as that status.
    status: AtomicU16,
}

const SAME: [&[&str]; 2] = [&["car", "automobile", "vehicle"], &["bread", "loaf", "baguette"]];
const LENGTH: usize = 64;

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; LENGTH];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let meaning = SAME.iter().find(|same| same.contains(&word)).map_or(word, |same| same[0]);
        let mut hasher = DefaultHasher::new();
        meaning.hash(&mut hasher);
        vector[usize::try_from(hasher.finish() % 64).unwrap()] += 1.0;
    }
    vector
}

async fn embed(State(asked): State<Arc<Asked>>, Json(question): Json<Value>) -> (StatusCode, Json<Value>) {
    asked.times.fetch_add(1, Ordering::SeqCst);
    let status = asked.status.load(Ordering::SeqCst);
    if status != 0 {
        return (StatusCode::from_u16(status).unwrap(), Json(json!({"error": "model \"m\" not found"})));
    }
    let texts = question["input"].as_array().unwrap();
    let embeddings: Vec<Vec<f32>> = texts.iter().map(|text| vector(text.as_str().unwrap())).collect();
    let body = json!({"model": question["model"], "embeddings": embeddings, "total_duration": 1, "prompt_eval_count": 7});
    (StatusCode::OK, Json(body))
}

impl Service {
    async fn start() -> Self {
        Self::start_on(0).await
    }

    async fn start_on(port: u16) -> Self {
        let asked = Arc::<Asked>::default();
        let router = Router::new().route("/api/embed", post(embed)).with_state(Arc::clone(&asked));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn times(&self) -> usize {
        self.asked.times.load(Ordering::SeqCst)
    }

    fn answer_with(&self, status: u16) {
        self.asked.status.store(status, Ordering::SeqCst);
    }
}

fn serve(world: &World, url: &str, model: &str) -> Brain {
    let mut command = world.command("serve");
    Brain::start(command.args(["--port", "0", "--embed-model", model]).env("BRAIN_EMBED_URL", url))
}

async fn embedded(brain: &Brain, texts: u64) {
    let what = format!("{texts} embeddings");
    until(&what, async || brain.get("/api/v1/index/stats").await.1["vector_count"] == texts).await;
}

fn garage() -> World {
    let world = World::new();
    world.note("garage.md", "The automobile needs new tyres.");
    world.note("kitchen.md", "Bake the baguette slowly.");
    world.note("words.md", "My first car was red.");
    world
}

#[tokio::test]
async fn a_note_is_found_by_what_it_means_and_both_ways_ranks_first() {
    let (world, service) = (garage(), Service::start().await);
    let brain = serve(&world, &service.url(), "m");
    embedded(&brain, 3).await;
    let (_, body) = brain.get("/api/v1/search?q=car").await;
    assert_eq!((&body["mode"], body.get("degraded")), (&json!("hybrid"), None), "{body}");
    let results = body["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["path"], &results[1]["path"]),
        (&json!("words.md"), &json!("garage.md")),
        "{body}"
    );
    assert!(results[0]["snippet"].as_str().unwrap().contains("**car**"), "{body}");
    assert_eq!(results[1]["snippet"], "The automobile needs new tyres.");
    let (_, body) = brain.get("/api/v1/search?q=car&limit=1").await;
    assert_eq!(body["count"], 1);

    // Saved later, embedded by itself; removed, gone; the ledger has it all.
    world.note("van.md", "A vehicle for ten.");
    embedded(&brain, 4).await;
    assert!(brain.search("car").await.contains(&"van.md".to_owned()));
    std::fs::remove_file(world.vault().join("garage.md")).unwrap();
    embedded(&brain, 3).await;
    let (_, usage) = brain.get("/api/v1/usage").await;
    let of = |operation: &str| {
        usage["totals"].as_array().unwrap().iter().find(|t| t["operation"] == operation).cloned()
    };
    let notes = of("embed_notes").unwrap();
    assert_eq!((&notes["model"], &notes["items"]), (&json!("m"), &json!(4)), "{usage}");
    assert!(
        notes["tokens"].as_u64() >= Some(14) && of("embed_query").is_some() && of("index").is_some(),
        "{usage}"
    );
}

#[tokio::test]
async fn without_the_service_search_goes_on_by_words_says_so_and_leaves_it_alone() {
    let (world, service) = (garage(), Service::start().await);
    let brain = serve(&world, &service.url(), "m");
    embedded(&brain, 3).await;
    service.answer_with(500);
    let degraded = async || brain.get("/api/v1/search?q=car").await.1;
    let body = degraded().await;
    assert_eq!((&body["mode"], &body["results"][0]["path"]), (&json!("lexical"), &json!("words.md")));
    assert!(body["degraded"].as_str().unwrap().contains("failed with 500"), "{body}");
    until("the service to be left alone", async || {
        degraded().await["degraded"].as_str().unwrap().contains("left alone")
    })
    .await;
    let before = service.times();
    for _ in 0..20 {
        degraded().await;
    }
    assert_eq!(service.times(), before, "it is asked while it rests");
    service.answer_with(0);
    until("the service to be asked again", async || degraded().await["mode"] == "hybrid").await;
}

#[tokio::test]
async fn embedding_waits_for_a_service_that_is_not_there_yet_and_keeps_what_it_made() {
    let world = garage();
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let free = nobody.local_addr().unwrap().port();
    drop(nobody);
    let brain = serve(&world, &format!("http://127.0.0.1:{free}"), "m");
    brain.index().await;
    let (status, body) = brain.get("/api/v1/search?q=baguette").await;
    assert_eq!((status, &body["results"][0]["path"]), (200, &json!("kitchen.md")));
    assert!(body["degraded"].is_string(), "{body}");
    let service = Service::start_on(free).await;
    embedded(&brain, 3).await;
    brain.signal(rustix::process::Signal::TERM);
    brain.ended().await;

    // Started again: nothing is asked for twice. With another model: everything is.
    let before = service.times();
    let brain = serve(&world, &service.url(), "m");
    let (_, report) = brain.post("/api/v1/index?full_rebuild=true", json!(null)).await;
    assert_eq!(report["notes_processed"], 3);
    assert_eq!(
        (service.times(), &brain.get("/api/v1/index/stats").await.1["vector_count"]),
        (before, &json!(3))
    );
    brain.kill_9();
    let brain = serve(&world, &service.url(), "other");
    until("the other model to be asked", async || service.times() > before).await;
    embedded(&brain, 3).await;
}

#[tokio::test]
async fn a_model_that_is_not_there_is_told_and_costs_nothing_else() {
    let (world, service) = (garage(), Service::start().await);
    service.answer_with(404);
    let brain = serve(&world, &service.url(), "m");
    brain.index().await;
    let (_, body) = brain.get("/api/v1/search?q=loaf%20car").await;
    assert!(body["degraded"].as_str().unwrap().contains("model \"m\" not found"), "{body}");
    assert_eq!(body["results"][0]["path"], "words.md");
}

#[tokio::test]
async fn an_address_that_cannot_be_used_ends_the_start_with_the_option_to_correct() {
    let world = World::new();
    let out =
        world.command("serve").args(["--port", "0", "--embed-url", "https://example.org"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8(out.stderr).unwrap().contains("correct --embed-url"));
}
