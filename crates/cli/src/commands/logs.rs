use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use regex::{Regex, RegexBuilder};
use steady_agent::Home;
use steady_client::{Client, ClientError, LogNews};
use steady_logs::{Follower, Line, Query};
use steady_model::api::{LogQuery, LogTail};
use tokio::sync::mpsc;

use crate::live::told_to_end;
use crate::log_printer::LogPrinter;
use crate::{args, style};

const LINES: u32 = 200;
/// With `--since` the time is the bound, up to this many lines.
const LINES_SINCE: u32 = 100_000;
/// Only bounds one wait: new lines wake the follower at once.
const PATIENCE: Duration = Duration::from_secs(3600);
/// A repeated line is counted to its end when nothing else comes for so long.
const QUIET: Duration = Duration::from_secs(1);
/// Batches that wait for the terminal; beyond it reading waits, and the files keep what comes.
const BACKLOG: usize = 16;

/// The logs of services: what was written, and with `--follow` what is.
pub async fn show(home: &Path, client: &Client, wanted: args::Logs, json: bool) -> anyhow::Result<ExitCode> {
    let logs = Home::new(home).logs();
    let names = names(client, &logs, &wanted.services).await?;
    // The files are the truth, and there also when the agent is not.
    let source =
        if logs.is_dir() { Source::files(&logs, &names, &wanted)? } else { Source::Agent(client.clone()) };
    let mut printer = LogPrinter::new(&names, json, !wanted.no_fold);
    if wanted.follow {
        follow(source, names, &wanted, printer).await?;
        return Ok(ExitCode::SUCCESS);
    }
    match source {
        Source::Agent(client) => {
            for name in &names {
                let tail = client.logs(name, &query(&wanted)).await?;
                if json {
                    style::json(&tail)?;
                } else {
                    tail.lines.iter().for_each(|line| printer.line(name, line));
                }
            }
        }
        Source::Files(files) => {
            let read = files.read()?;
            if json {
                for (service, lines) in read {
                    let lines = lines.into_iter().map(|line| line.text).collect();
                    style::json(&LogTail { service, lines })?;
                }
            } else {
                for (name, line) in merged(read) {
                    printer.line(&name, &line);
                }
            }
        }
    }
    printer.flush();
    Ok(ExitCode::SUCCESS)
}

fn query(wanted: &args::Logs) -> LogQuery {
    LogQuery { lines: wanted.lines, since: wanted.since.clone(), grep: wanted.grep.clone() }
}

/// The services asked for, else all. Without an agent, those that have a log.
async fn names(client: &Client, logs: &Path, asked: &[String]) -> anyhow::Result<Vec<String>> {
    let configured: Vec<String> = match client.snapshot().await {
        Ok(snapshot) => snapshot.services.into_iter().map(|s| s.name).collect(),
        Err(ClientError::AgentGone { .. }) if logs.is_dir() => with_logs(logs)?,
        Err(e) => return Err(e.into()),
    };
    if asked.is_empty() {
        return Ok(configured);
    }
    if let Some(unknown) = asked.iter().find(|name| !configured.contains(name)) {
        bail!("there is no service \"{unknown}\"; configured: {}", configured.join(", "));
    }
    Ok(asked.to_vec())
}

fn with_logs(logs: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(logs).with_context(|| format!("cannot list {}", logs.display()))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

enum Source {
    Files(Files),
    Agent(Client),
}

struct Files {
    dirs: Vec<(String, PathBuf)>,
    query: Query,
}

impl Source {
    fn files(logs: &Path, names: &[String], wanted: &args::Logs) -> anyhow::Result<Self> {
        let now = steady_clock::now().wall.0.to_zoned(jiff::tz::TimeZone::system());
        let since =
            wanted.since.as_deref().map(|typed| steady_model::since::parse(typed, &now)).transpose()?;
        let lines = wanted.lines.unwrap_or(if since.is_some() { LINES_SINCE } else { LINES });
        let query =
            Query { since, grep: wanted.grep.as_deref().map(pattern).transpose()?, lines: lines as usize };
        let dirs = names.iter().map(|name| (name.clone(), logs.join(name))).collect();
        Ok(Self::Files(Files { dirs, query }))
    }
}

fn pattern(typed: &str) -> anyhow::Result<Regex> {
    RegexBuilder::new(typed).build().with_context(|| format!("the pattern {typed} cannot be used"))
}

impl Files {
    fn read(&self) -> anyhow::Result<Vec<(String, Vec<Line>)>> {
        let read = |(name, dir): &(String, PathBuf)| {
            let lines = steady_logs::read(dir, &self.query)
                .with_context(|| format!("cannot read the log in {}", dir.display()))?;
            Ok((name.clone(), lines))
        };
        self.dirs.iter().map(read).collect()
    }
}

/// By time where it is known; lines of one service never change their order.
fn merged(read: Vec<(String, Vec<Line>)>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (service, lines) in read {
        let mut at = None;
        for line in lines {
            // Never earlier than the one before: the clock may have gone back.
            at = at.max(line.at);
            all.push((at, service.clone(), line.text));
        }
    }
    all.sort_by_key(|(at, _, _)| *at);
    all.into_iter().map(|(_, service, text)| (service, text)).collect()
}

/// What a followed service brings, or why it cannot be followed any more.
type News = (String, anyhow::Result<LogNews>);

async fn follow(
    source: Source,
    names: Vec<String>,
    wanted: &args::Logs,
    mut printer: LogPrinter,
) -> anyhow::Result<()> {
    let (sender, mut news) = mpsc::channel::<News>(BACKLOG);
    match source {
        Source::Agent(client) => {
            for name in names {
                tokio::spawn(pass_on(client.clone(), name, query(wanted), sender.clone()));
            }
        }
        Source::Files(files) => {
            let (history, followers) = begin(&files)?;
            for (name, line) in merged(history) {
                printer.line(&name, &line);
            }
            for (name, follower) in followers {
                let (sender, grep) = (sender.clone(), files.query.grep.clone());
                std::thread::spawn(move || read_on(&name, follower, grep.as_ref(), &sender));
            }
        }
    }
    drop(sender);
    let mut end = std::pin::pin!(told_to_end());
    loop {
        tokio::select! {
            ended = &mut end => {
                printer.flush();
                return ended.context("cannot wait for signals");
            }
            told = tokio::time::timeout(QUIET, news.recv()) => match told {
                Err(_) => printer.flush(),
                Ok(None) => return Ok(()),
                Ok(Some((name, news))) => show_news(&mut printer, &name, news?),
            }
        }
    }
}

fn show_news(printer: &mut LogPrinter, name: &str, news: LogNews) {
    match news {
        LogNews::Lines(lines) => lines.iter().for_each(|line| printer.line(name, line)),
        LogNews::Gap(lines) => {
            printer.flush();
            style::complain(&format!(
                "{lines} lines of {name} were left out here: this terminal was too slow"
            ));
        }
        LogNews::Gone { why } => {
            printer.flush();
            style::complain(&format!("the agent does not answer: {why}; waiting for it"));
        }
    }
}

type Begun = (Vec<(String, Vec<Line>)>, Vec<(String, Follower)>);

/// Each follower begins where its history ends.
fn begin(files: &Files) -> anyhow::Result<Begun> {
    let (mut history, mut followers) = (Vec::new(), Vec::new());
    for (name, dir) in &files.dirs {
        let at = || format!("cannot follow the log in {}", dir.display());
        std::fs::create_dir_all(dir).with_context(at)?;
        let follower = Follower::new(dir, 0).with_context(at)?;
        let lines = steady_logs::read_until(dir, &files.query, follower.position()).with_context(at)?;
        history.push((name.clone(), lines));
        followers.push((name.clone(), follower));
    }
    Ok((history, followers))
}

fn read_on(name: &str, mut follower: Follower, grep: Option<&Regex>, sender: &mpsc::Sender<News>) {
    loop {
        let read = follower.next_lines(PATIENCE).with_context(|| format!("cannot follow the log of {name}"));
        let ended = read.is_err();
        let news = read.map(|lines| {
            LogNews::Lines(lines.into_iter().filter(|l| grep.is_none_or(|grep| grep.is_match(l))).collect())
        });
        if sender.blocking_send((name.to_owned(), news)).is_err() || ended {
            return;
        }
    }
}

async fn pass_on(client: Client, name: String, query: LogQuery, sender: mpsc::Sender<News>) {
    let mut news = std::pin::pin!(client.follow_log(&name, query));
    while let Some(told) = news.next().await {
        if sender.send((name.clone(), told.map_err(Into::into))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use steady_model::time::WallTime;

    use super::*;

    fn line(second: Option<i64>, text: &str) -> Line {
        let at = second.map(|s| WallTime(jiff::Timestamp::from_second(s).unwrap()));
        Line { at, text: text.to_owned() }
    }

    #[test]
    fn several_logs_are_merged_by_time_and_each_keeps_its_order() {
        let brain = vec![line(Some(1), "b1"), line(Some(5), "b2"), line(Some(4), "b3"), line(None, "b4")];
        let worker = vec![line(None, "w0"), line(Some(2), "w1"), line(Some(9), "w2")];
        let order: Vec<String> = merged(vec![("brain".into(), brain), ("worker".into(), worker)])
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(order, ["w0", "b1", "w1", "b2", "b3", "b4", "w2"]);
    }
}
