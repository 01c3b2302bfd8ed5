//! Promises of a job's section: what its keys mean, and how mistakes are told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use steady_model::config::{self, ConfigError, Job, Roots};
use steady_model::job::{Retry, Slots};

fn parse(keys: &str) -> Result<Job, ConfigError> {
    let text = format!("version = 1\n[job.sync]\nmarkers = \"data\"\n{keys}\n");
    let roots = Roots { base: Path::new("/home/ada"), user_home: None };
    config::parse(&text, Path::new("steady.toml"), roots).map(|mut c| c.jobs.remove(0))
}

#[test]
fn each_key_arrives() {
    let job = parse(
        "cron = \"0 21 * * *\"\ntimezone = \"Europe/Berlin\"\nat_wake = true\nlate_after = \"1h\"\n\
         partial = ['retry limit']\nwhole = \"all\"\noutput = \"data/sync.log\"\n\
         retry = { attempts = 5, delay = \"30s\" }",
    )
    .unwrap();
    let schedule = job.schedule.unwrap();
    assert!(schedule.at_wake);
    let Some(Slots::Cron { cron, zone }) = schedule.slots else { panic!("no cron") };
    assert_eq!(cron.to_string(), "0 21 * * *");
    assert_eq!(zone, Some(TimeZone::get("Europe/Berlin").unwrap()));
    assert_eq!(job.retry, Some(Retry { attempts: 5, delay: Duration::from_secs(30) }));
    assert_eq!((job.partial, job.whole), (vec!["retry limit".to_owned()], Some("all".to_owned())));
    assert_eq!(job.output.unwrap(), Path::new("/home/ada/data/sync.log"));
    assert_eq!(job.late_after, Duration::from_secs(3600));
    assert_eq!(
        parse("").unwrap(),
        Job { cwd: "/home/ada".into(), ..Job::elsewhere("sync", "/home/ada/data") }
    );
    assert!(parse("at_wake = true").unwrap().schedule.unwrap().slots.is_none());
}

#[test]
fn mistakes_are_told_with_their_line() {
    let cases = [
        "every = \"1h\"\ncron = \"0 21 * * *\"",
        "cron = \"0 25 * * *\"",
        "cron = \"at nine\"",
        "cron = \"0 0 30 2 *\"",
        "cron = \"0 0 21 * * *\"",
        "cron = \"0 21 * * *\"\ntimezone = \"Europe/Bärlin\"",
        "every = \"1h\"\ntimezone = \"Europe/Berlin\"",
        "partial = [\"fine\", \"failed [1-9\"]",
        "retry = { attempts = 0 }",
        "retry = { atempts = 2 }",
        "command = [\"sync\"]\noutput = \"sync.log\"",
    ];
    let said: Vec<String> = cases.iter().map(|keys| parse(keys).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(said.join("\n"));
}
