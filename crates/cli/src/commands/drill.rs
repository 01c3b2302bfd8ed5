//! Rehearsals of a restore.

use std::process::ExitCode;

use anyhow::Context;
use steady_client::Client;
use steady_model::drill::{DrillOutcome, DrillRecord};
use steady_model::words;

use super::operation::operation;
use crate::style;

pub async fn run(client: &Client, detach: bool, json: bool) -> anyhow::Result<ExitCode> {
    let begun = client.drill().await?;
    if detach {
        if json {
            style::json(&begun)?;
        } else {
            style::say("The drill began; `steady backups` tells how it went.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let id = begun.id.context("the agent began no drill")?;
    let last = operation(client, &id, json).await?;
    let record = last.backup.drill.and_then(|drill| drill.last);
    let record = record.context("the agent kept no record of the drill; its log says why")?;
    if json {
        style::json(&record)?;
    } else {
        style::say(&report(&record));
    }
    Ok(if record.outcome == DrillOutcome::Passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(record: &DrillRecord) -> String {
    let id: String = record.point.chars().take(12).collect();
    let mut lines = vec![format!("Drill with the point {id} of {}", record.point_taken)];
    lines.extend(record.steps.iter().map(|step| {
        let took = words::span(std::time::Duration::from_millis(step.took_ms));
        format!("  {:<11} {} ({took})", step.what.to_string(), step.said)
    }));
    let took = words::span(std::time::Duration::from_millis(record.took_ms));
    lines.push(match record.failure() {
        None => format!("Passed in {took}: this point can be restored."),
        Some(why) => format!("Failed {why}"),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use steady_model::drill::{DrillStep, DrillWork};
    use steady_model::time::WallTime;

    use super::*;

    fn record(outcome: DrillOutcome) -> DrillRecord {
        let taken = WallTime("2026-11-23T03:00:00Z".parse().unwrap());
        let step = |what, took_ms, said: &str| DrillStep { what, took_ms, said: said.to_owned() };
        DrillRecord {
            id: "1".into(),
            point: "4bf1c0".into(),
            point_taken: taken,
            began: taken,
            took_ms: 2140,
            files: 42,
            bytes: 1_200_000,
            steps: vec![
                step(DrillWork::Restored, 310, "1.2 MB in 42 files"),
                step(DrillWork::Opened, 140, "3 databases whole, all rows there"),
                step(DrillWork::Started, 820, "ready on port 40123"),
            ],
            outcome,
        }
    }

    #[test]
    fn a_report_says_each_step_with_its_time_and_what_it_failed_of() {
        let failed =
            DrillOutcome::Failed { at: DrillWork::Canary, why: "conversations.0.title is not there".into() };
        insta::assert_snapshot!(format!(
            "{}\n\n{}",
            report(&record(DrillOutcome::Passed)),
            report(&record(failed))
        ));
    }
}
