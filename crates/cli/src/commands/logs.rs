use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use steady_agent::Home;
use steady_client::Client;
use steady_logs::Follower;

use crate::style;

/// Only bounds one wait: new lines wake the follower at once.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The ends of logs; with `follow`, new lines until Ctrl-C.
pub async fn show(
    home: &Path,
    client: &Client,
    service: Option<String>,
    lines: u32,
    follow: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let names = match service {
        Some(name) => vec![name],
        None => client.snapshot().await?.services.into_iter().map(|s| s.name).collect(),
    };
    let several = names.len() > 1;
    let prefix = |name: &str| if several { format!("{name} | ") } else { String::new() };
    for name in &names {
        let tail = client.logs(name, lines).await?;
        if json {
            style::json(&tail)?;
        } else {
            tail.lines.iter().for_each(|line| style::say(&format!("{}{line}", prefix(name))));
        }
    }
    if follow {
        let logs = Home::new(home).logs();
        for name in names {
            let (dir, prefix) = (logs.join(&name), prefix(&name));
            let mut follower = Follower::new(&dir, 0)
                .with_context(|| format!("cannot follow the log in {}", dir.display()))?;
            std::thread::spawn(move || {
                while let Ok(lines) = follower.next_lines(PATIENCE) {
                    for line in lines {
                        style::say(&format!("{prefix}{line}"));
                    }
                }
            });
        }
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    }
    Ok(ExitCode::SUCCESS)
}
