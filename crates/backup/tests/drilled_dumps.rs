//! Dumps that a drill loads into scratch databases of a real PostgreSQL server.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and measures in real time"
)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use steady_backup::{Backups, LoadedDump};
use steady_model::config::{PostgresServer, SecretRef};
use support::postgres::{PASSWORD, Server, dump_of, in_the_way, two_tables};
use support::{World, manifest, take, world};

/// A point of a server's database, and drills that load it there.
fn drilled_world(server: &Server, program: &[&str]) -> World {
    let mut world = world();
    world.write("note.md", "beside it");
    dump_of(&mut world, server.url("pkg"), program);
    drill_at(&mut world, server.url("pkg"));
    world
}

fn drill_at(world: &mut World, url: String) {
    let password = Some(SecretRef::File(world.dir.path().join("pg-password")));
    let dump = world.capture.postgres.get_mut("pkg").unwrap();
    dump.drill = Some(PostgresServer { url, password });
}

fn databases(server: &Server) -> String {
    server.sql("postgres", "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")
}

const NONE_LEFT: &str = "pkg postgres template0 template1";

async fn loaded(backups: &Backups, id: &str) -> LoadedDump {
    let mut all = backups.load_drill(id, |_| {}).await.unwrap();
    assert_eq!(all.len(), 1);
    all.pop().unwrap()
}

#[tokio::test]
async fn a_drill_loads_a_dump_counts_every_table_as_at_the_cut_and_drops_what_it_made() {
    let server = Server::start();
    two_tables(&server);
    server.sql(
        "pkg",
        "CREATE EXTENSION citext; CREATE SCHEMA \"a schema\"; CREATE TABLE \"a schema\".\"it's\"(x citext);
         INSERT INTO \"a schema\".\"it's\" VALUES ('A')",
    );
    let world = drilled_world(&server, &["pg_dump"]);
    let backups = world.backups();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    let told = manifest(&world, &point.id, "/steady/manifest.json");
    let rows = &told["dumps"][0]["rows"]["counted"];
    assert_eq!(
        *rows,
        serde_json::json!([
            {"table": "a schema.it's", "rows": 1},
            {"table": "public.documents", "rows": 300},
            {"table": "public.my chunks", "rows": 900},
        ])
    );

    // What came since is not in the dump, and is no difference.
    server.sql("pkg", "INSERT INTO documents VALUES (1000, 'one more')");
    let dump = loaded(&backups, &point.id).await;
    let said = dump.outcome.unwrap();
    assert!(said.starts_with("pkg: 3 tables, 1201 rows, as at the cut; loaded in "), "{said}");
    assert!(dump.dropped && dump.took_ms > 0);
    assert_eq!(databases(&server), NONE_LEFT);
    assert_eq!(server.sql("pkg", "SELECT count(*) FROM documents"), "301", "the live database was touched");
}

#[tokio::test]
async fn rows_are_counted_at_the_moment_of_the_dump_while_others_write() {
    let server = Server::start();
    two_tables(&server);
    let writer = server.url("pkg");
    let world = world();
    // The rows come after the snapshot is taken and before the dump begins.
    let script = format!(
        "PGPASSWORD=\"$(cat {0})\" psql -X -q -d '{writer}' -c 'INSERT INTO documents SELECT n, 1 FROM \
         generate_series(2000, 2099) n' >&2 || exit 9; exec /usr/bin/pg_dump \"$@\"",
        world.dir.path().join("pg-password").display()
    );
    let program = in_the_way(&world, &script);
    let mut world = world;
    world.write("note.md", "x");
    dump_of(&mut world, server.url("pkg"), &[&program]);
    drill_at(&mut world, server.url("pkg"));
    let backups = world.backups();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    assert_eq!(server.sql("pkg", "SELECT count(*) FROM documents"), "400", "the test is void");
    let said = loaded(&backups, &point.id).await.outcome.unwrap();
    assert!(said.contains("2 tables, 1200 rows, as at the cut"), "{said}");
}

#[tokio::test]
async fn a_dump_that_loads_with_other_rows_than_were_counted_fails_the_drill() {
    let server = Server::start();
    two_tables(&server);
    let world = world();
    // A dump that is whole in itself, and has not all that was there.
    let program = in_the_way(&world, "exec /usr/bin/pg_dump \"$@\" --exclude-table-data='*chunks'");
    let mut world = world;
    world.write("note.md", "x");
    dump_of(&mut world, server.url("pkg"), &[&program]);
    drill_at(&mut world, server.url("pkg"));
    let backups = world.backups();
    let point = take(&backups).await;
    let dump = loaded(&backups, &point.id).await;
    let why = dump.outcome.unwrap_err();
    assert!(why.contains("table public.my chunks: 900 rows then, 0 now"), "{why}");
    assert!(dump.dropped);
    assert_eq!(databases(&server), NONE_LEFT);
}

#[tokio::test]
async fn an_extension_that_the_server_of_the_drill_has_not_is_named() {
    let server = Server::start();
    two_tables(&server);
    server.sql("pkg", "CREATE EXTENSION citext");
    let world = world();
    let program = in_the_way(&world, "/usr/bin/pg_dump \"$@\" | LC_ALL=C sed 's/citext/vectox/g'");
    let mut world = world;
    world.write("note.md", "x");
    dump_of(&mut world, server.url("pkg"), &[&program]);
    drill_at(&mut world, server.url("pkg"));
    let backups = world.backups();
    let point = take(&backups).await;
    assert!(point.verified.is_some(), "{:?}", point.missing);
    let why = loaded(&backups, &point.id).await.outcome.unwrap_err();
    assert!(
        why.contains("needs the extension vectox") && why.contains("backup.postgres.pkg.drill_url"),
        "{why}"
    );
    assert_eq!(databases(&server), NONE_LEFT);
}

#[tokio::test]
async fn a_role_that_may_not_create_databases_is_told_what_to_ask_for() {
    let server = Server::start();
    two_tables(&server);
    let quoted = PASSWORD.replace('\'', "''");
    server.sql("postgres", &format!("CREATE ROLE bob LOGIN PASSWORD '{quoted}' NOCREATEDB"));
    let mut world = drilled_world(&server, &["pg_dump"]);
    drill_at(&mut world, server.url("pkg").replace("ada@", "bob@"));
    let backups = world.backups();
    let point = take(&backups).await;
    let dump = loaded(&backups, &point.id).await;
    let why = dump.outcome.unwrap_err();
    assert!(why.contains("ALTER ROLE bob CREATEDB"), "{why}");
    assert!(!why.contains("p:a"), "{why}");
    server.sql("postgres", "ALTER ROLE bob CREATEDB");
    let said = loaded(&backups, &point.id).await.outcome.unwrap();
    assert!(said.contains("1200 rows, as at the cut"), "{said}");
    assert_eq!(databases(&server), NONE_LEFT);
}

#[tokio::test]
async fn what_a_killed_drill_left_on_the_server_is_dropped_by_the_next_and_nothing_else_is() {
    let server = Server::start();
    two_tables(&server);
    let world = world();
    let program = in_the_way(&world, "exec /usr/bin/pg_dump \"$@\"");
    let mut world = world;
    world.write("note.md", "x");
    dump_of(&mut world, server.url("pkg"), &[&program]);
    drill_at(&mut world, server.url("pkg"));
    let point = take(&world.backups()).await;

    // A load that is under way and is cut off: its database is there, and something is connected to it.
    let restore = world.dir.path().join("bin/pg_restore");
    fs::remove_file(&restore).unwrap();
    let slow = "#!/bin/sh\ncase \"$*\" in *--dbname*) /usr/bin/pg_restore \"$@\"; sleep 600;; esac\n\
                exec /usr/bin/pg_restore \"$@\"\n";
    fs::write(&restore, slow).unwrap();
    fs::set_permissions(&restore, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let backups = world.backups();
    {
        let drill = backups.load_drill(&point.id, |_| {});
        let began = Instant::now();
        let made = async {
            while !databases(&server).contains("steady_drill_") {
                assert!(began.elapsed() < Duration::from_secs(60), "no scratch database came");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            ended = drill => panic!("it ended: {ended:?}"),
            () = made => {}
        }
    }
    let left = databases(&server);
    assert!(left.contains("steady_drill_"), "{left}");
    server.sql("postgres", "CREATE DATABASE steady_drill_of_somebody");

    // The next agent.
    let backups = world.backups();
    backups.clear_drill_databases().await.unwrap();
    assert_eq!(
        databases(&server),
        format!("{NONE_LEFT} steady_drill_of_somebody").replace(
            " template0 template1 steady_drill_of_somebody",
            " steady_drill_of_somebody template0 template1"
        )
    );
    let journal = fs::read_to_string(world.home().join("backups/drill-databases.json")).unwrap();
    assert!(!journal.contains("steady_drill_"), "{journal}");
}

#[tokio::test]
async fn a_scratch_database_that_cannot_be_dropped_is_not_forgotten() {
    let server = Server::start();
    two_tables(&server);
    let mut world = drilled_world(&server, &["pg_dump"]);
    drill_at(&mut world, "postgres://ada@127.0.0.1:1/pkg".to_owned());
    let backups = world.backups();
    let journal = world.home().join("backups/drill-databases.json");
    let text = include_str!("fixtures/drill-databases-1.json");
    fs::write(&journal, text).unwrap();
    let error = backups.clear_drill_databases().await.unwrap_err().to_string();
    assert!(error.contains("steady_drill_01kat3m8q5w1") && error.contains("Connection refused"), "{error}");
    assert_eq!(fs::read_to_string(&journal).unwrap().trim(), text.trim(), "the format changed");
    fs::write(&journal, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(backups.clear_drill_databases().await.unwrap_err().to_string().contains("newer Steady"));
}

#[tokio::test]
async fn a_restore_says_which_database_it_leaves_alone_and_the_command_that_it_names_loads_it() {
    let server = Server::start();
    two_tables(&server);
    let world = drilled_world(&server, &["pg_dump"]);
    let backups = world.backups();
    let point = take(&backups).await;
    let plan = backups.plan(&point.id).await.unwrap();
    let said = plan.cautions.iter().find(|c| c.contains("PostgreSQL")).unwrap();
    assert!(said.contains("The PostgreSQL database pkg stays as it is"), "{said}");
    let command = said.split('`').nth(1).unwrap().replace("restic -r", "restic --no-cache --no-lock -r");
    let done =
        std::process::Command::new("sh").args(["-c", &command]).env("PGPASSWORD", PASSWORD).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(server.sql("pkg_restored", "SELECT count(*) FROM documents"), "300");
    let some = backups.plan_of(&point.id, &["note.md".into()]).await.unwrap();
    assert!(some.cautions.iter().all(|c| !c.contains("PostgreSQL")), "{:?}", some.cautions);
}
