use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Jobs of Steady's own whose runs wait for a restore point.
    #[schemars(with = "Vec<String>")]
    pub jobs: Spanned<Vec<String>>,
    /// At most so long. Default: 10m.
    #[schemars(with = "Option<String>")]
    pub wait: Option<Spanned<String>>,
    /// Whether a run fails without a verified point. Default: it runs all the same.
    #[serde(default)]
    pub required: bool,
}
