//! Questions to a PostgreSQL server, by the `psql` that lies beside `pg_dump`: so they come from where the dump
//! comes from, also out of a container.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread::JoinHandle;

use steady_model::backup::TableRows;

use crate::dump::{DumpError, DumpRequest, beside, last_words, program};

/// No answer of ours is this line: they are JSON, names of snapshots, names of extensions, and `t` or `f`.
const END: &str = ".";
/// What a server may be set to would end a session that waits for its dump.
const SETTINGS: &str =
    "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET row_security = off;
    SET search_path = pg_catalog;";
/// One question per table, asked by `\gexec`. Tables of extensions are the extension's own.
const COUNTS: &str = r"SELECT format('SELECT json_build_array(%L, count(*)) FROM ONLY %I.%I',
        n.nspname || '.' || c.relname, n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence IN ('p', 'u')
        AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
        AND NOT EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname || '.' || c.relname \gexec";

/// A session with one database; the first error of the server ends it.
pub(crate) struct Session {
    shown: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    words: Option<JoinHandle<String>>,
}

impl Session {
    pub(crate) fn open(server: &DumpRequest) -> Result<Self, DumpError> {
        let words = beside(&server.program, "psql");
        let shown = words.join(" ");
        let mut command = program(&words)?;
        command
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"])
            .args(["--set=ON_ERROR_STOP=1", "--dbname"])
            .arg(&server.url)
            .env("PGCLIENTENCODING", "UTF8")
            .envs(server.passfile.as_ref().map(|file| ("PGPASSFILE", file)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start = |source| DumpError::Start { program: shown.clone(), source };
        let mut child = command.spawn().map_err(start)?;
        let words = last_words(&mut child);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let Some(stdout) = stdout else { return Err(DumpError::NoProgram) };
        let mut session = Self { shown, child, stdin, stdout: BufReader::new(stdout), words };
        session.ask(SETTINGS)?;
        Ok(session)
    }

    /// The lines of the answer. `sql` ends in `;` or a command of psql.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<Vec<String>, DumpError> {
        if let Some(stdin) = &mut self.stdin {
            // A psql that is gone says why by its last words.
            let _ = stdin.write_all(format!("{sql}\n\\echo {END}\n").as_bytes()).and_then(|()| stdin.flush());
        }
        let mut answer = Vec::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).map_err(DumpError::Keep)? == 0 {
                return Err(self.failure());
            }
            let line = line.trim_end_matches('\n');
            if line == END {
                return Ok(answer);
            }
            answer.push(line.to_owned());
        }
    }

    /// Rows of each table, by `schema.table`.
    pub(crate) fn rows(&mut self) -> Result<Vec<TableRows>, DumpError> {
        let answer = self.ask(COUNTS)?;
        let row = |line: String| match serde_json::from_str(&line) {
            Ok((table, rows)) => Ok(TableRows { table, rows }),
            Err(_) => Err(DumpError::Answer { program: self.shown.clone(), line }),
        };
        answer.into_iter().map(row).collect()
    }

    fn failure(&mut self) -> DumpError {
        self.stdin = None;
        match self.child.wait() {
            Ok(status) => {
                let said = self.words.take().and_then(|w| w.join().ok()).unwrap_or_default();
                DumpError::Failed { program: self.shown.clone(), status, said }
            }
            Err(error) => DumpError::Keep(error),
        }
    }
}

impl Drop for Session {
    /// Its end of input ends psql, and with it the transaction.
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

/// The moment of a dump, held open by a session: what is dumped and what is counted are of one state.
pub(crate) struct HeldSnapshot {
    session: Session,
    pub id: String,
}

impl HeldSnapshot {
    pub(crate) fn take(server: &DumpRequest) -> Result<Self, DumpError> {
        let mut session = Session::open(server)?;
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT pg_export_snapshot();";
        let id = session.ask(sql)?.pop().unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(DumpError::Answer { program: session.shown.clone(), line: id });
        }
        Ok(Self { session, id })
    }

    pub(crate) fn rows(mut self) -> Result<Vec<TableRows>, DumpError> {
        self.session.rows()
    }
}
