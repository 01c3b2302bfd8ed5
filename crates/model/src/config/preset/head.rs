use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::error::{ConfigError, Source};
use super::super::raw::complaint;

/// The keys of `steady.toml` that say what it begins with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Head {
    /// A whole configuration to begin with: `secondbrain`, `peanut`. What this file says goes over it, key by key.
    #[schemars(with = "Option<String>")]
    pub preset: Option<Spanned<String>>,
    /// The folder that the preset is about.
    #[schemars(with = "Option<String>")]
    pub root: Option<Spanned<String>>,
    /// What of the preset is not wanted: `service.ui`, `job.daily-sync.every`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub without: Vec<Spanned<String>>,
    /// The other variables of the preset; `steady config presets` tells them.
    #[serde(skip)]
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    #[allow(dead_code, reason = "read as it was typed, and here for the schema")]
    pub vars: (),
}

/// `[vars]` as typed.
pub type Given<'t> = Spanned<DeTable<'t>>;

impl Head {
    /// Takes the head out of the user's table.
    pub fn take<'t>(
        table: &mut Spanned<DeTable<'t>>,
        source: &Source<'_>,
    ) -> Result<(Self, Option<Given<'t>>), ConfigError> {
        let mut own = DeTable::new();
        for key in ["preset", "root", "without"] {
            if let Some((key, value)) = table.get_mut().remove_entry(key) {
                own.insert(key, value);
            }
        }
        let own = Spanned::new(table.span(), own);
        let head = Self::deserialize(toml::Deserializer::from(own)).map_err(|e| complaint(&e, source))?;
        let Some((key, vars)) = table.get_mut().remove_entry("vars") else { return Ok((head, None)) };
        let span = vars.span();
        match vars.into_inner() {
            DeValue::Table(vars) => Ok((head, Some(Spanned::new(key.span(), vars)))),
            _ => Err(source.error(&span, "vars must be a table of a preset's variables".to_owned(), None)),
        }
    }

    /// What belongs to a preset is a mistake where there is none.
    pub fn needs_no_preset(&self, given: Option<&Given<'_>>, source: &Source<'_>) -> Result<(), ConfigError> {
        let root = self.root.as_ref().map(|root| ("root", root.span()));
        let without = self.without.first().map(|first| ("without", first.span()));
        let vars = given.map(|vars| ("vars", vars.span()));
        match root.or(without).or(vars) {
            None => Ok(()),
            Some((key, span)) => {
                let what = format!("{key} belongs to a preset, and none is named");
                Err(source.error(&span, what, Some("add preset = \"NAME\"".to_owned())))
            }
        }
    }
}
