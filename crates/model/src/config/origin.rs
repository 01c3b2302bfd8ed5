use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::{ConfigError, Place};
use super::{Roots, preset, raw, resolve};

/// Which text a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The user's file.
    File,
    Preset,
}

/// One key of a configuration, after the user's file was put over its preset.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Setting {
    /// From the top: `["service", "api", "port"]`.
    pub key: Vec<String>,
    pub value: toml::Value,
    pub origin: Origin,
    #[serde(flatten)]
    pub at: Place,
}

impl Setting {
    /// The header that it stands under, such as `service.api`; empty at the top.
    pub fn section(&self) -> String {
        written(self.key.get(..self.depth()).unwrap_or_default())
    }

    /// `port = 8000`, as it is written under its header.
    pub fn line(&self) -> String {
        format!("{} = {}", written(self.key.get(self.depth()..).unwrap_or_default()), self.value)
    }

    /// Sections with names have two parts.
    fn depth(&self) -> usize {
        let named =
            matches!(self.key.first().map(String::as_str), Some("service" | "check" | "job" | "logfile"));
        self.key.len().saturating_sub(1).min(if named { 2 } else { 1 })
    }
}

/// A dotted key, quoted where it must be.
fn written(key: &[String]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let part = |part: &String| {
        let fine = !part.is_empty() && part.chars().all(bare);
        if fine { part.clone() } else { toml::Value::String(part.clone()).to_string() }
    };
    key.iter().map(part).collect::<Vec<_>>().join(".")
}

/// Every key that is typed, in the user's file or in its preset, in the order of the result. What is not among them
/// has its default. Fails as [`parse`](super::parse) does.
pub fn settings(text: &str, path: &Path, roots: Roots<'_>) -> Result<Vec<Setting>, ConfigError> {
    let layers = preset::Layers::read(text, path)?;
    let (table, source) = layers.merged(&roots)?;
    let mut typed = Vec::new();
    collect(table.get_ref(), &mut Vec::new(), &mut typed);
    resolve::resolve(raw::read(table, &source)?, &source, &roots)?;
    let setting = |(key, value): (Vec<String>, Spanned<DeValue<'_>>)| {
        let at = source.place(&value.span());
        let origin = if at.file == path { Origin::File } else { Origin::Preset };
        let value = toml::Value::deserialize(ValueDeserializer::from(value));
        Ok(Setting { key, value: value.map_err(|e| raw::complaint(&e, &source))?, origin, at })
    };
    // What stands under no header comes first, or it would be read as a part of the last section.
    typed.sort_by_key(|(key, _)| key.len() > 1);
    typed.into_iter().map(setting).collect()
}

/// Where the section of each check begins. Empty for what is no configuration.
pub fn places_of_checks(text: &str, path: &Path, roots: Roots<'_>) -> BTreeMap<String, Place> {
    let Ok(layers) = preset::Layers::read(text, path) else { return BTreeMap::new() };
    let Ok((table, source)) = layers.merged(&roots) else { return BTreeMap::new() };
    let checks = table.get_ref().get("check").and_then(|checks| checks.get_ref().as_table());
    let keys = checks.into_iter().flat_map(DeTable::keys);
    keys.map(|name| (name.get_ref().to_string(), source.place(&name.span()))).collect()
}

/// Sections are walked into; a table of which each key is a value, such as `env = { … }`, is too.
fn collect<'t>(
    table: &DeTable<'t>,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, Spanned<DeValue<'t>>)>,
) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, path, found),
            _ => found.push((path.clone(), value.clone())),
        }
        path.pop();
    }
}
