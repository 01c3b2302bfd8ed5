use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyTarget {
    /// A folder of another disk, such as `/media/ada/usb/steady` (not the mount point itself);
    /// `rclone:REMOTE:PATH`; `rest:https://HOST:PORT/PATH`; or `s3:https://HOST/BUCKET/PREFIX`.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
    /// Of `rest:` the user and the password, of `s3:` the key id and the key, in two lines or as
    /// `USER:PASSWORD`: `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE/ACCOUNT`.
    #[schemars(with = "Option<String>")]
    pub login: Option<Spanned<String>>,
    /// The password of the copy's repository: `file:PATH`, `env_file:PATH#NAME` or `keychain:SERVICE/ACCOUNT`.
    /// Default: the same key as the repository here.
    #[schemars(with = "Option<String>")]
    pub password: Option<Spanned<String>>,
    /// What is sent a second at most, such as `2 MB/s`. Default: no limit.
    #[schemars(with = "Option<String>")]
    pub limit: Option<Spanned<String>>,
    /// For `rclone:` and `s3:`: the program and what stands before its arguments. Default: `["rclone"]`.
    #[schemars(with = "Option<Vec<String>>")]
    pub program: Option<Spanned<Vec<String>>>,
    /// For `rest:`: a file with the certificate of who vouches for the server, when the system does not know them.
    #[schemars(with = "Option<String>")]
    pub certificate: Option<Spanned<String>>,
    /// For `s3:`, when the server wants one.
    #[schemars(with = "Option<String>")]
    pub region: Option<Spanned<String>>,
    /// How old the newest copied point may be while there are newer ones here. Default: 72h.
    #[schemars(with = "Option<String>")]
    pub stale_after: Option<Spanned<String>>,
    /// For a folder: whether it may lie on the volume of the repository, as one that another program carries away.
    #[schemars(with = "bool")]
    pub same_volume: Option<Spanned<bool>>,
}
