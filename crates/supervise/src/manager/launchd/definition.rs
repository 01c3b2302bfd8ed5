//! A job's property list: made from a service, or found among the user's own.

use std::fs;
use std::path::{Path, PathBuf};

use plist::{Dictionary, Value};
use steady_model::config::Service;
use steady_model::service::RestartPolicy;

use super::error::LaunchdError;
use super::keys::validate;
use crate::manager::through::Through;

/// What launchd waits between two starts of a job that keeps ending, seconds; its own default. Steady itself comes
/// first while it runs.
const THROTTLE: u64 = 10;
/// launchd's default is 256, which is little for a database.
const OPEN_FILES: u64 = 8192;
/// Where programs are when launchd's own `PATH` would miss them. A value of `env` wins.
const FALLBACK_PATH: &str = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// The definition that launchd gets for a service. `log` takes what is said before the service's own log is open.
///
/// It holds no variable of the service's and no secret: `steady exec` looks them up at each start.
pub fn definition(spec: &Service, label: &str, through: &Through, log: &Path) -> Result<Value, LaunchdError> {
    let mut job = Dictionary::new();
    let mut set = |key: &str, value: Value| drop(job.insert(key.to_owned(), value));
    let argv = through.argv().iter().map(|word| text(word)).collect::<Result<Vec<_>, _>>()?;
    let path = std::env::var("PATH").ok().filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| FALLBACK_PATH.to_owned());
    let environment = Dictionary::from_iter([("PATH".to_owned(), Value::from(path))]);
    // 0 would be for ever.
    let grace = (spec.stop_grace.as_secs() + u64::from(spec.stop_grace.subsec_nanos() > 0)).max(1);
    set("Label", label.into());
    set("ProgramArguments", Value::Array(argv));
    set("WorkingDirectory", text(&spec.cwd)?);
    set("EnvironmentVariables", Value::Dictionary(environment));
    set("RunAtLoad", true.into());
    set("KeepAlive", keep_alive(spec));
    set("ThrottleInterval", THROTTLE.into());
    set("ExitTimeOut", grace.into());
    // The other kinds have their processor time and their disk throttled.
    set("ProcessType", "Interactive".into());
    let files = Dictionary::from_iter([("NumberOfFiles".to_owned(), Value::from(OPEN_FILES))]);
    set("SoftResourceLimits", Value::Dictionary(files));
    set("StandardOutPath", text(log)?);
    set("StandardErrorPath", text(log)?);
    let value = Value::Dictionary(job);
    validate(&value).map_err(|source| LaunchdError::Invalid { file: label.into(), source })?;
    Ok(value)
}

fn keep_alive(spec: &Service) -> Value {
    match spec.restart {
        _ if spec.oneshot => false.into(),
        RestartPolicy::Always => true.into(),
        RestartPolicy::OnFailure => {
            Value::Dictionary(Dictionary::from_iter([("SuccessfulExit".to_owned(), Value::from(false))]))
        }
        RestartPolicy::Never => false.into(),
    }
}

/// As it goes into the file.
pub fn to_xml(definition: &Value, file: &Path) -> Result<Vec<u8>, LaunchdError> {
    let mut xml = Vec::new();
    let failed = |source| LaunchdError::Write { file: file.to_owned(), source };
    definition.to_writer_xml(&mut xml).map_err(failed)?;
    xml.push(b'\n');
    Ok(xml)
}

/// Whether a file says the same as a definition. Its `PATH` is that of whoever started the agent last, and nobody's
/// wish.
pub fn same(file: &Path, definition: &Value) -> bool {
    let bare = |value: &Value| {
        let mut table = value.as_dictionary().cloned().unwrap_or_default();
        table.remove("EnvironmentVariables");
        table
    };
    Value::from_file(file).is_ok_and(|is| bare(&is) == bare(definition))
}

/// The property list of a label in these folders: by its file's name, else by what is in it.
pub fn find(label: &str, folders: &[PathBuf]) -> Result<PathBuf, LaunchdError> {
    let named = folders.iter().map(|folder| folder.join(format!("{label}.plist")));
    if let Some(file) = named.into_iter().find(|file| file.is_file()) {
        return Ok(file);
    }
    let all = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let files = all.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "plist"));
    for file in files {
        if Value::from_file(&file).is_ok_and(|value| label_of(&value) == Some(label)) {
            return Ok(file);
        }
    }
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(LaunchdError::NotDefined { label: label.to_owned(), folders: folders.join(" and ") })
}

/// What is wrong with a definition of the user's own.
pub fn complaint(file: &Path) -> Result<(), LaunchdError> {
    let unreadable = |source| LaunchdError::Unreadable { file: file.to_owned(), source };
    let value = Value::from_file(file).map_err(unreadable)?;
    validate(&value).map_err(|source| LaunchdError::Invalid { file: file.to_owned(), source })
}

fn label_of(value: &Value) -> Option<&str> {
    value.as_dictionary()?.get("Label")?.as_string()
}

fn text(path: &Path) -> Result<Value, LaunchdError> {
    let text = path.to_str().ok_or_else(|| LaunchdError::NotText { path: path.to_owned() })?;
    Ok(Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use steady_model::config::SecretRef;

    use super::*;

    fn made(change: impl FnOnce(&mut Service)) -> Result<Value, LaunchdError> {
        let mut spec = Service::child("brain", vec!["uv".into(), "run".into()], "/srv/brain");
        spec.stop_grace = Duration::from_millis(2500);
        change(&mut spec);
        let through =
            Through { program: "/opt/steady".into(), home: "/srv/home".into(), service: "brain".into() };
        definition(&spec, "local.steady.brain.x", &through, Path::new("/srv/home/launchd/brain.log"))
    }

    #[test]
    fn a_service_becomes_a_definition_that_launchd_documents() {
        let mut value = made(|_| {}).unwrap();
        let environment = Dictionary::from_iter([("PATH".to_owned(), Value::from("(here)"))]);
        let here = value.as_dictionary_mut().unwrap();
        here.insert("EnvironmentVariables".into(), Value::Dictionary(environment));
        let xml = to_xml(&value, Path::new("x")).unwrap();
        insta::assert_snapshot!(String::from_utf8(xml).unwrap());
    }

    #[test]
    fn neither_a_secret_nor_a_variable_of_the_service_gets_into_the_file() {
        let value = made(|spec| {
            spec.env.vars.insert("TOKEN".into(), "hunter22".into());
            spec.env.secrets.insert("KEY".into(), SecretRef::File("/srv/key".into()));
            spec.command = vec!["serve".into(), "--password=swordfish".into()];
        });
        let xml = String::from_utf8(to_xml(&value.unwrap(), Path::new("x")).unwrap()).unwrap();
        for secret in ["hunter22", "TOKEN", "KEY", "/srv/key", "swordfish"] {
            assert!(!xml.contains(secret), "{secret}");
        }
    }

    #[test]
    fn the_restart_policy_is_kept_also_while_no_agent_runs() {
        let of = |restart, oneshot| {
            let value = made(|spec| (spec.restart, spec.oneshot) = (restart, oneshot)).unwrap();
            value.as_dictionary().unwrap().get("KeepAlive").unwrap().clone()
        };
        assert_eq!(of(RestartPolicy::Always, false), Value::Boolean(true));
        assert_eq!(of(RestartPolicy::Never, false), Value::Boolean(false));
        assert_eq!(of(RestartPolicy::Always, true), Value::Boolean(false));
        let on_failure = of(RestartPolicy::OnFailure, false);
        assert_eq!(on_failure.as_dictionary().unwrap().get("SuccessfulExit"), Some(&Value::Boolean(false)));
    }

    #[test]
    fn a_relative_folder_is_refused_by_the_name_of_its_key() {
        let said = made(|spec| spec.cwd = "data".into()).unwrap_err().to_string();
        assert!(said.contains("WorkingDirectory is the relative path \"data\""), "{said}");
    }

    #[test]
    fn a_label_is_found_in_a_file_of_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("homebrew.plist");
        made(|_| {}).unwrap().to_file_xml(&file).unwrap();
        let folders = [dir.path().to_owned()];
        assert_eq!(find("local.steady.brain.x", &folders).unwrap(), file);
        assert!(matches!(find("com.other", &folders), Err(LaunchdError::NotDefined { .. })));
    }
}
