use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyTarget {
    /// A folder of another disk, such as `/media/ada/usb/steady`; not the mount point itself.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
    /// How old the newest copied point may be while there are newer ones here. Default: 72h.
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Spanned<String>>,
    /// Whether the folder may lie on the volume of the repository, as one that another program carries away.
    #[serde(default)]
    pub same_volume: bool,
}
