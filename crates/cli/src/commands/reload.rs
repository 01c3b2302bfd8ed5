use std::process::ExitCode;

use steady_client::Client;

use crate::{style, table};

/// Puts the changed configuration into force, or says what that would do.
pub async fn reload(client: &Client, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let plan = client.reload(dry_run).await?;
    if json {
        style::json(&plan)?;
    } else {
        style::say(&table::reload(&plan));
    }
    Ok(ExitCode::SUCCESS)
}
