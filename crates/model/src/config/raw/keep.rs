use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// So many of the newest. Default 3; 0 is none, here and below.
    #[schemars(with = "Option<u32>")]
    pub last: Option<Spanned<i64>>,
    /// The newest of so many hours that have one. Default 24.
    #[schemars(with = "Option<u32>")]
    pub hourly: Option<Spanned<i64>>,
    /// Of so many days. Default 7.
    #[schemars(with = "Option<u32>")]
    pub daily: Option<Spanned<i64>>,
    /// Of so many weeks, from Monday. Default 4.
    #[schemars(with = "Option<u32>")]
    pub weekly: Option<Spanned<i64>>,
    /// Of so many months. Default 6.
    #[schemars(with = "Option<u32>")]
    pub monthly: Option<Spanned<i64>>,
    /// Of so many years. Default 0.
    #[schemars(with = "Option<u32>")]
    pub yearly: Option<Spanned<i64>>,
    /// All of this span before the newest, such as `14d`.
    #[schemars(with = "Option<String>")]
    pub within: Option<Spanned<String>>,
    /// Databases that can be made anew, relative to the data directory: the last point that holds one may go. Of all
    /// others it stays.
    #[serde(default)]
    pub rebuildable: Vec<String>,
    /// Whether points are removed after a backup, at most once a day. Default true; else only by `steady prune`.
    pub automatic: Option<bool>,
}
