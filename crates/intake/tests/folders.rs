//! Folders as people have them, and what is written about each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use steady_intake::{Folder, Found, draft, recognise};
use steady_model::config::{self, Config, Roots};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::Builder::new().prefix("notes").tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn database(dir: &TempDir, name: &str) {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rusqlite::Connection::open(path).unwrap().execute("CREATE TABLE t (a)", []).unwrap();
}

fn read(dir: &TempDir) -> Folder {
    let mut folder = Folder::read(dir.path()).unwrap();
    folder.name = "My Notes".into();
    folder
}

/// As Steady reads it.
fn accepted(text: &str) -> Config {
    config::parse(text, Path::new("/srv/steady.toml"), Roots { base: Path::new("/srv"), user_home: None })
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn drafted(dir: &TempDir) -> String {
    let text = draft(&recognise(&read(dir))).unwrap();
    accepted(&text);
    text
}

const PYPROJECT: &str = "[project]\nname = \"notes\"\ndependencies = [\"fastapi\", \"uvicorn\"]\n";
const APP: &str =
    "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.get(\"/health\")\ndef health(): ...\n";

#[test]
fn a_python_api_with_its_databases() {
    let dir = folder(&[
        ("pyproject.toml", PYPROJECT),
        ("src/notes/server/main.py", APP),
        ("src/notes/models.py", "class FastAPI: ...\n"),
        ("tests/test_app.py", "app = FastAPI()\n"),
        ("node_modules/x/Procfile", "no: no"),
    ]);
    for name in ["data/chat.db", "data/chroma/chroma.sqlite3", ".venv/x.db", "backups/old.db"] {
        database(&dir, name);
    }
    fs::write(dir.path().join("data/empty.db"), "").unwrap();
    let before = fs::read_dir(dir.path().join("data")).unwrap().count();
    insta::assert_snapshot!(drafted(&dir));
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), before, "a database was opened");
}

#[test]
fn a_procfile_says_it_better_than_sources() {
    let procfile = "web: gunicorn notes:app --port 5000\n# a comment\nworker: QUEUE=a celery -A notes worker | tee log\n\
                    bad name: x\nquoted: run \"two words\"\n";
    let dir = folder(&[("Procfile", procfile), ("pyproject.toml", PYPROJECT), ("main.py", APP)]);
    insta::assert_snapshot!(drafted(&dir));
}

#[test]
fn a_compose_project_and_a_start_script() {
    let compose = "services:\n  db:\n    image: postgres\n    ports: [\"5432:5432\"]\n  api:\n    build: .\nvolumes: {}\n";
    let package = "{\"scripts\": {\"start\": \"next start -p 3000\", \"build\": \"x\"}}";
    let dir = folder(&[("docker-compose.yml", compose), ("package.json", package), ("pnpm-lock.yaml", "")]);
    insta::assert_snapshot!(drafted(&dir));
    assert_eq!(
        recognise(&read(&dir))[0],
        Found::Compose {
            file: "docker-compose.yml".into(),
            project: "mynotes".into(),
            services: vec!["api".into(), "db".into()]
        }
    );
}

#[test]
fn both_first_stacks_are_known_by_name() {
    let dir = folder(&[("pyproject.toml", PYPROJECT), ("src/secondbrain/main.py", APP)]);
    let text = drafted(&dir);
    assert!(text.contains("preset = \"secondbrain\"\nroot = \".\""), "{text}");
    assert_eq!(accepted(&text).services[0].cwd, Path::new("/srv"));

    let services = ["pkg-db", "pkg-graph", "pkg-graph-init", "ingest-worker", "tui-controller"];
    let compose = format!("services:\n  {}:\n    image: x\n", services.join(":\n    image: x\n  "));
    let dir = folder(&[("docker-compose.yml", &compose)]);
    assert!(drafted(&dir).contains("preset = \"peanut\""));
}

#[test]
fn a_folder_that_says_nothing_is_told_so_and_a_database_at_the_top_is_no_folder_to_replace() {
    assert_eq!(draft(&recognise(&read(&folder(&[("README.md", "hi")])))), None);
    let dir = folder(&[]);
    database(&dir, "top.db");
    database(&dir, "data/below.db");
    assert_eq!(recognise(&read(&dir)), [], "a restore would replace the whole project");
    assert!(Folder::read(&dir.path().join("nowhere")).unwrap_err().to_string().contains("nowhere"));
}

proptest::proptest! {
    #[test]
    fn whatever_the_files_say_the_draft_is_a_configuration(
        procfile in "([a-z0-9 _.-]{0,8}:[ -~]{0,24}\n){0,4}",
        python in "[a-z_]{1,6}( = FastAPI\\(\\)|: X = Starlette\\()\n[ -~\n]{0,40}",
        compose in "services:\n(  [ -~]{0,12}:\n    image: x\n){0,3}",
        package in "\\{\"scripts\": \\{\"start\": \"[ -!#-\\[\\]-~]{0,20}\"\\}\\}",
        module in "[a-z_.é-]{1,8}",
    ) {
        let files = [
            ("Procfile".to_owned(), procfile),
            ("pyproject.toml".to_owned(), PYPROJECT.to_owned()),
            (format!("{module}.py"), python),
            ("compose.yaml".to_owned(), compose),
            ("package.json".to_owned(), package),
        ];
        for taken in 1..=files.len() {
            let mut folder = Folder { name: "x".into(), ..Folder::default() };
            for (name, text) in files.iter().skip(taken - 1) {
                folder.files.insert(name.into());
                folder.texts.insert(name.into(), text.clone());
            }
            folder.databases = ["d/é!.db", "d/é?.db", "d/-.db"].map(Into::into).into();
            if let Some(text) = draft(&recognise(&folder)) {
                accepted(&text);
            }
        }
    }
}
