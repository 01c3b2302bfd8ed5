//! Variable: what several programs are told must be the same for each. The first users' API took its vault from `.env`
//! and the job took it from its property list.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use steady_model::check::Status;

use crate::path;
use crate::probe::{Probe, Seen};
use crate::worker::Worker;

pub struct VariableProbe {
    asked: Asked,
    worker: Worker,
}

#[derive(Clone)]
struct Asked {
    variable: String,
    files: Vec<PathBuf>,
    directory: bool,
}

/// What one file says: `None` when it is not there, or says nothing of the variable.
type Said = Result<Option<String>, String>;

impl VariableProbe {
    pub fn new(variable: String, files: Vec<PathBuf>, directory: bool) -> Self {
        Self { asked: Asked { variable, files, directory }, worker: Worker::new() }
    }
}

impl Probe for VariableProbe {
    async fn look(&mut self) -> Seen {
        let asked = self.asked.clone();
        self.worker.look(move || asked.look()).await
    }

    fn overdue(&self, timeout: Duration) -> Seen {
        self.worker.overdue(timeout).so("See whether its volume is connected and its server answers")
    }
}

impl Asked {
    fn look(&self) -> Seen {
        let said = self.files.iter().map(|file| (file.as_path(), said(file, &self.variable)));
        let mut values: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
        for (file, said) in said {
            match said {
                Ok(Some(value)) => values.entry(self.normal(value)).or_default().push(file),
                Ok(None) => {}
                Err(why) => {
                    return Seen::new(Status::Unknown, why).so("Mend that file, or give Steady access to it");
                }
            }
        }
        match (values.pop_first(), values.is_empty()) {
            (None, _) => Seen::fact(
                Status::Unknown,
                format!("{} is set in none of {}", self.variable, list(&self.files)),
            )
            .so("Set it, or correct `variable` or `files` in steady.toml"),
            (Some((value, files)), true) => self.agreed(&value, &files),
            (Some(first), false) => self.torn(std::iter::once(first).chain(values)),
        }
    }

    fn agreed(&self, value: &str, files: &[&Path]) -> Seen {
        let whence = format!("{} of {}", self.variable, list(files));
        if !self.directory {
            return Seen::fact(Status::Pass, format!("{whence} is set, the same wherever it is"));
        }
        let seen = path::look(Path::new(value));
        let evidence = format!("{whence}: {}", seen.evidence);
        Seen { evidence, ..seen }
    }

    /// Values are shown only of directories: others may be secrets.
    fn torn<'a>(&self, values: impl Iterator<Item = (String, Vec<&'a Path>)>) -> Seen {
        let shown = |(value, files): (String, Vec<&Path>)| {
            let what = if self.directory { value.as_str() } else { "one thing" };
            format!("{what} in {}", list(&files))
        };
        let each: Vec<String> = values.map(shown).collect();
        let evidence = format!("{} is {}", self.variable, each.join(", but "));
        Seen::fact(Status::Warn, evidence)
            .so("Make them the same: the programs that read them work on different data")
    }

    fn normal(&self, value: String) -> String {
        match value.trim_end_matches('/') {
            trimmed if self.directory && !trimmed.is_empty() => trimmed.to_owned(),
            _ => value,
        }
    }
}

fn said(file: &Path, variable: &str) -> Said {
    if file.extension() == Some(OsStr::new("plist")) {
        by_property_list(file, variable)
    } else {
        by_env_file(file, variable)
    }
}

fn by_env_file(file: &Path, variable: &str) -> Said {
    if !file.exists() {
        return Ok(None);
    }
    let vars = steady_launch::env_file(file).map_err(|e| e.to_string())?;
    Ok(vars.into_iter().rev().find(|(name, _)| name == variable).map(|(_, value)| value))
}

/// The `EnvironmentVariables` of a job of launchd; see launchd.plist(5).
fn by_property_list(file: &Path, variable: &str) -> Said {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("cannot read {}: {e}", file.display())),
    };
    let list = plist::Value::from_reader(Cursor::new(bytes))
        .map_err(|e| format!("{} is no property list: {e}", file.display()))?;
    let variables = list.as_dictionary().and_then(|job| job.get("EnvironmentVariables")?.as_dictionary());
    Ok(variables.and_then(|all| all.get(variable)?.as_string().map(str::to_owned)))
}

fn list(files: &[impl AsRef<Path>]) -> String {
    files.iter().map(|file| file.as_ref().display().to_string()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLIST: &str = "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>Label</key><string>x</string>\
        <key>EnvironmentVariables</key><dict><key>VAULT</key><string>AT</string></dict></dict></plist>";

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            for vault in ["vault", "other"] {
                std::fs::create_dir(files.path(vault)).unwrap();
                std::fs::write(files.path(vault).join("note.md"), "x").unwrap();
            }
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn say(&self, env: &str, job: &str) {
            let at = |typed: &str| self.path(typed).display().to_string();
            std::fs::write(self.path(".env"), format!("VAULT={}\nTOKEN=hush\n", at(env))).unwrap();
            std::fs::write(self.path("job.plist"), PLIST.replace("AT", &at(job))).unwrap();
        }

        fn look(&self, variable: &str, directory: bool) -> Seen {
            let files = [".env", "job.plist", "nowhere.env"].map(|name| self.path(name)).into();
            Asked { variable: variable.to_owned(), files, directory }.look()
        }
    }

    #[test]
    fn a_vault_that_differs_between_the_api_and_the_job_is_a_warning_that_names_both() {
        let files = Files::new();
        files.say("vault/", "vault");
        let seen = files.look("VAULT", true);
        assert_eq!((seen.status, seen.fact), (Status::Pass, true), "{}", seen.evidence);
        files.say("vault", "other");
        let seen = files.look("VAULT", true);
        assert_eq!((seen.status, seen.fact), (Status::Warn, true), "{}", seen.evidence);
        for part in ["vault in ", ".env", "other in ", "job.plist"] {
            assert!(seen.evidence.contains(part), "{}", seen.evidence);
        }
    }

    #[test]
    fn a_vault_that_is_gone_fails_and_one_that_nobody_names_is_unknown() {
        let files = Files::new();
        files.say("gone", "gone");
        assert_eq!(files.look("VAULT", true).status, Status::Fail);
        assert_eq!(files.look("VAULTT", true).status, Status::Unknown);
        std::fs::write(files.path("job.plist"), "{").unwrap();
        assert!(files.look("VAULT", true).evidence.contains("is no property list"));
    }

    #[test]
    fn what_may_be_a_secret_is_compared_and_never_shown() {
        let files = Files::new();
        files.say("vault", "vault");
        assert_eq!(files.look("TOKEN", false).status, Status::Pass);
        std::fs::write(files.path("nowhere.env"), "TOKEN=hush-hush\n").unwrap();
        let seen = files.look("TOKEN", false);
        assert_eq!(seen.status, Status::Warn);
        assert!(!seen.evidence.contains("hush") && seen.evidence.contains(".env"), "{}", seen.evidence);
    }
}
