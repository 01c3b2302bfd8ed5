//! Each check tried once against the machine, by whoever sets it up. No agent is needed for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use steady_health::CheckEvent;
use steady_model::api::{CheckLook, CheckTrial, Trial};
use steady_model::check::{Observation, Status};
use steady_model::config::{Check, CheckKind};
use tokio::sync::mpsc;

use crate::config_file::{ConfigFile, ConfigFileError};

/// Beyond the longest timeout of a check.
const MARGIN: Duration = Duration::from_secs(5);

/// Tries the checks of a configuration, or the one named, at the same time. `up` says whether the services may be
/// expected to run.
///
/// Must be called within a tokio runtime.
pub async fn try_checks(
    file: &Path,
    only: Option<&str>,
    up: bool,
) -> Result<Vec<CheckTrial>, ConfigFileError> {
    let file = ConfigFile::read(file)?;
    let config = file.config()?;
    let mut places = file.places_of_checks();
    let checks: Vec<Check> =
        config.checks.into_iter().filter(|c| only.is_none_or(|name| c.name == name)).filter(looks).collect();
    let seen = look_once(checks.clone()).await;
    Ok(checks
        .iter()
        .map(|check| {
            let seen = seen.get(&check.name);
            let trial = seen.map_or(Trial::Refused, |seen| judge(check, seen, up));
            let look = seen.map(|seen| CheckLook::new(&check.name, check.kind.name(), seen));
            CheckTrial { name: check.name.clone(), at: places.remove(&check.name), trial, look }
        })
        .collect())
}

/// What a service takes is sampled by the agent; there is nothing to ask for that could be wrong.
fn looks(check: &Check) -> bool {
    !matches!(check.kind, CheckKind::Usage { .. })
}

/// The first look of each, within its timeout. Who has not answered by then is missing.
pub(crate) async fn look_once(checks: Vec<Check>) -> BTreeMap<String, Observation> {
    let limit = checks.iter().map(|c| c.probe.timeout).max().unwrap_or_default() + MARGIN;
    let wanted = checks.len();
    let (events, mut told) = mpsc::channel(wanted.max(1));
    let handle = steady_health::watch(checks, events);
    let mut seen = BTreeMap::new();
    let all = async {
        while seen.len() < wanted
            && let Some(CheckEvent { name, observation }) = told.recv().await
        {
            seen.entry(name).or_insert(observation);
        }
    };
    let _ = tokio::time::timeout(limit, all).await;
    handle.shutdown().await;
    seen
}

/// Bad news is an answer; no sensible answer is none.
fn judge(check: &Check, seen: &Observation, up: bool) -> Trial {
    // A page that is not the one that was meant is measured all the same.
    let measured =
        !matches!(check.kind, CheckKind::Http { .. }) && (seen.measure.is_some() || !seen.samples.is_empty());
    match seen.status {
        Status::Pass => Trial::Answers,
        Status::Warn => Trial::BadNews,
        Status::Fail if measured => Trial::BadNews,
        Status::Fail | Status::Unknown if !up && check.service.is_some() => Trial::ServiceDown,
        Status::Fail | Status::Unknown => Trial::Refused,
    }
}
