//! The scratch databases of drills, and the journal by which those of a drill that was cut off are found again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steady_model::config::{PostgresDump, PostgresServer};
use ulid::Ulid;

use super::{Backups, Inner, unexpected};
use crate::catalogue::{read_versioned, write_versioned};
use crate::error::BackupError;
use crate::load::{LoadRequest, LoadedDump, MARK};
use crate::login::Logins;
use crate::plan;
use crate::protocol::{Command, Done, Progress};

const VERSION: u32 = 1;

/// `drill-databases.json`: written before they are made.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    version: u32,
    databases: Vec<Scratch>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Scratch {
    /// The dump whose `backup.postgres` section names the server.
    dump: String,
    database: String,
}

impl Backups {
    /// Loads the dumps of a point that the configuration wants tried out, each into a scratch database that is
    /// dropped again. What went wrong with one of them is in its outcome.
    pub async fn load_drill(
        &self,
        id: &str,
        on_progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Vec<LoadedDump>, BackupError> {
        let servers = self.inner.drilled();
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let _busy = self.inner.busy.lock().await;
        self.inner.drop_left_over().await?;
        let point = plan::find(&self.inner.catalogue.read()?, id)?.id;
        let name = || format!("{MARK}{}", Ulid::generate().to_string().to_lowercase());
        let wanted: Vec<Scratch> =
            servers.keys().map(|dump| Scratch { dump: dump.clone(), database: name() }).collect();
        self.inner.keep_scratch(&wanted)?;
        let logins = Logins::write(&servers, self.inner.keys.folder()).await?;
        let into = requests(&logins, &wanted);
        let done = self.inner.engine(Command::LoadDumps { point, into }, &on_progress).await?;
        let Done::Loaded(loaded) = done else { return Err(unexpected("a drill of the dumps")) };
        let stays = |scratch: &Scratch| loaded.iter().any(|l| l.name == scratch.dump && !l.dropped);
        self.inner.keep_scratch(&wanted.into_iter().filter(stays).collect::<Vec<_>>())?;
        Ok(loaded)
    }

    /// Drops the scratch databases of a drill that was cut off.
    pub async fn clear_drill_databases(&self) -> Result<(), BackupError> {
        let _busy = self.inner.busy.lock().await;
        self.inner.drop_left_over().await
    }
}

impl Inner {
    /// Where the dumps are tried out, by the name of the dump.
    fn drilled(&self) -> BTreeMap<String, PostgresDump> {
        let at = |dump: &PostgresDump, server: &PostgresServer| PostgresDump {
            server: server.clone(),
            ..dump.clone()
        };
        let all = self.config.capture.postgres.iter();
        all.filter_map(|(name, dump)| Some((name.clone(), at(dump, dump.drill.as_ref()?)))).collect()
    }

    async fn drop_left_over(&self) -> Result<(), BackupError> {
        let left = read_versioned::<Journal>(&self.scratch_file(), VERSION)?.map(|j| j.databases);
        let left = left.unwrap_or_default();
        if left.is_empty() {
            return Ok(());
        }
        let mut servers = self.drilled();
        servers.retain(|name, _| left.iter().any(|scratch| scratch.dump == *name));
        let (left, orphans): (Vec<_>, Vec<_>) = left.into_iter().partition(|s| servers.contains_key(&s.dump));
        for Scratch { dump, database } in orphans {
            tracing::error!("{database} stays on its server: `backup.postgres.{dump}` has no drill any more");
        }
        let logins = Logins::write(&servers, self.keys.folder()).await?;
        let done = self.engine(Command::DropDatabases(requests(&logins, &left)), &|_| {}).await?;
        let Done::Dropped(dropped) = done else { return Err(unexpected("a removal of databases")) };
        let (gone, stay): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|scratch| dropped.get(&scratch.database).is_some_and(Option::is_none));
        tracing::info!(dropped = gone.len(), "scratch databases of an interrupted drill");
        self.keep_scratch(&stay)?;
        match stay.first() {
            None => Ok(()),
            Some(scratch) => {
                let why = dropped.get(&scratch.database).cloned().flatten();
                let why = why.unwrap_or_else(|| "the engine did not say why".to_owned());
                Err(BackupError::ScratchDatabase { database: scratch.database.clone(), why })
            }
        }
    }

    fn keep_scratch(&self, databases: &[Scratch]) -> Result<(), BackupError> {
        let journal = Journal { version: VERSION, databases: databases.to_vec() };
        write_versioned(&self.scratch_file(), &journal)
    }

    fn scratch_file(&self) -> PathBuf {
        self.keys.folder().join("drill-databases.json")
    }
}

/// Those whose server is known.
fn requests(logins: &Logins, databases: &[Scratch]) -> Vec<LoadRequest> {
    let servers = logins.requests();
    let request = |scratch: &Scratch| {
        let server = servers.iter().find(|server| server.name == scratch.dump)?.clone();
        Some(LoadRequest { server, database: scratch.database.clone() })
    };
    databases.iter().filter_map(request).collect()
}
