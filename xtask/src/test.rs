//! `cargo xtask test`: everything that CI runs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::disk;
use crate::steps::{Needs, STEPS, Step};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Run these steps only, separated by commas. Not for CI: steps left out fail there.
    #[arg(long, value_delimiter = ',', value_name = "STEPS")]
    only: Vec<String>,
    /// Go on after a step has failed, and fail at the end.
    #[arg(long)]
    keep_going: bool,
    /// Name the steps and do nothing.
    #[arg(long)]
    list: bool,
    /// Requests that schemathesis makes of each operation of the API, as each of three callers (blackbox).
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    examples: u32,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration, String),
    LeftOut,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for step in STEPS {
            println!("{:<9} {}", step.name, step.about);
        }
        return Ok(());
    }
    if let Some(unknown) = arguments.only.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step `{unknown}`; `cargo xtask test --list` names them");
    }
    let outcomes = run_steps(arguments);
    summarise(&outcomes)
}

fn run_steps(arguments: &Arguments) -> Vec<(&'static Step, Outcome)> {
    disk::warn_if_small();
    let mut needs = Needs::new(arguments.examples);
    let mut outcomes = Vec::new();
    let mut stopped = false;
    for (step, number) in STEPS.iter().zip(1..) {
        let wanted = arguments.only.is_empty() || arguments.only.iter().any(|name| name == step.name);
        if !wanted || stopped {
            outcomes.push((step, Outcome::LeftOut));
            continue;
        }
        println!("\n=== {number}/{} {}: {}", STEPS.len(), step.name, step.about);
        let begun = Instant::now();
        let result = (step.run)(&mut needs);
        let took = begun.elapsed();
        match result {
            Ok(()) => outcomes.push((step, Outcome::Passed(took))),
            Err(error) => {
                let cause = format!("{error:#}");
                println!(
                    "=== {} failed after {:.1} s{}: {cause}",
                    step.name,
                    took.as_secs_f64(),
                    disk::remark()
                );
                outcomes.push((step, Outcome::Failed(took, cause)));
                stopped = !arguments.keep_going;
            }
        }
    }
    outcomes
}

/// One line a step. What was left out is not passed over in silence, and under CI it fails the run.
fn summarise(outcomes: &[(&Step, Outcome)]) -> Result<()> {
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    println!("\n=== summary");
    for (step, outcome) in outcomes {
        match outcome {
            Outcome::Passed(took) => {
                passed += 1;
                println!("{:<9} passed    {:>7.1} s", step.name, took.as_secs_f64());
            }
            Outcome::Failed(took, cause) => {
                failed += 1;
                let cause = cause.lines().next().unwrap_or_default();
                println!("{:<9} FAILED    {:>7.1} s  {cause}", step.name, took.as_secs_f64());
            }
            Outcome::LeftOut => {
                left_out += 1;
                println!("{:<9} LEFT OUT", step.name);
            }
        }
    }
    println!("steps: {passed} passed, {failed} failed, {left_out} skipped");
    if failed > 0 {
        bail!("{failed} of {} steps failed", outcomes.len());
    }
    if left_out > 0 && std::env::var("CI").is_ok_and(|ci| ci == "true") {
        bail!("{left_out} of {} steps were left out, which CI does not take", outcomes.len());
    }
    Ok(())
}
