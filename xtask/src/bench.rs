//! `cargo xtask bench`: measurements, printed in one run.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cluster::{Cluster, VARIABLE};
use crate::{model, places, plugins, run, steps};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

/// The options are read by the program that measures, which has their text.
const PLUGINS_HELP: &str =
    concat!("{about}\n\nUsage: {usage}\n\n", include_str!("../../tests/src/bin/bench-plugins/options.txt"));

const RETRIEVAL_HELP: &str = concat!(
    "{about}\n\nUsage: {usage}\n\n",
    include_str!("../../host/index/src/bin/bench-retrieval/options.txt")
);

const EVENTS_HELP: &str =
    concat!("{about}\n\nUsage: {usage}\n\n", include_str!("../../tests/src/bin/bench-events/options.txt"));

#[derive(Subcommand)]
enum What {
    /// Tool calls, completions over a double of a provider, and the idle host.
    Spine {
        /// Passed on to the load generator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// A completion with limits, reservation and settlement beside one without, on SQLite and PostgreSQL, in both
    /// durabilities.
    Governed {
        /// Passed on to the load generator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Plugins in each language: calls, publishing, memory, a thousand of them. Takes half an hour.
    #[command(override_usage = "cargo xtask bench plugins [OPTIONS]", help_template = PLUGINS_HELP)]
    Plugins {
        /// Passed on to the program that measures.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Events a second that are accepted and delivered, how soon, and how fast they are exported, on SQLite and
    /// PostgreSQL.
    #[command(override_usage = "cargo xtask bench events [OPTIONS]", help_template = EVENTS_HELP)]
    Events {
        /// Passed on to the program that measures.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Search: how good the order is, how fast, how large, with up to a million chunks. Takes some minutes.
    #[command(override_usage = "cargo xtask bench retrieval [OPTIONS]", help_template = RETRIEVAL_HELP)]
    Retrieval {
        /// Passed on to the program that measures.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => spine(&[]),
        Some(What::Spine { options }) => spine(options),
        Some(What::Governed { options }) => governed(options),
        Some(What::Plugins { options }) => measure_plugins(options),
        Some(What::Events { options }) => events(options),
        Some(What::Retrieval { options }) => retrieval(options),
    }
}

/// Builds what is measured as it is shipped, but for link-time optimisation.
fn build_host() -> Result<()> {
    // All in one command: alone, the runtime would be built with other features, and wasmtime twice.
    let host =
        ["--package", "hardpoint-server", "--package", "hardpoint-runtime", "--package", "hardpoint-store"];
    run::show_and_run(run::cargo(&["build", "--release"]).args(host))
}

/// The program of `tests/` that measures, told where the host is.
fn measuring(program: &str, options: &[OsString]) -> Command {
    let mut bench = run::cargo(&["run", "--release", "--package", "hardpoint-tests", "--bin", program, "--"]);
    bench.args(options).env("HARDPOINT_BIN", places::host_binary("release"));
    bench
}

/// The tools are made of the templates, by the host's own commands.
fn measure_plugins(options: &[OsString]) -> Result<()> {
    build_host()?;
    let mut bench = measuring("bench-plugins", options);
    run::show_and_run(bench.env("HARDPOINT_BENCH_TOOLS", places::target().join("bench-tools")))
}

fn spine(options: &[OsString]) -> Result<()> {
    plugins::build(true, None)?;
    build_host()?;
    let mut tool_call = Command::new(places::target().join("release/bench-tool-call"));
    tool_call.env("HARDPOINT_FIXTURES", places::target().join("fixtures"));
    run::show_and_run(&mut tool_call)?;
    run::show_and_run(steps::with_guests(&mut measuring("bench-spine", options)))
}

fn governed(options: &[OsString]) -> Result<()> {
    plugins::build(true, None)?;
    build_host()?;
    let database = steps::cluster(Cluster::start_durable)?;
    let mut bench = measuring("bench-spine", options);
    bench.arg("--governed").env(VARIABLE, database.url());
    run::show_and_run(steps::with_guests(&mut bench))
}

fn events(options: &[OsString]) -> Result<()> {
    plugins::build(true, None)?;
    build_host()?;
    let database = steps::cluster(Cluster::start_durable)?;
    let mut bench = measuring("bench-events", options);
    bench.env(VARIABLE, database.url());
    run::show_and_run(steps::with_guests(&mut bench))
}

/// The collection lies beside the repository.
fn retrieval(options: &[OsString]) -> Result<()> {
    model::prepare()?;
    let program = ["run", "--release", "--package", "hardpoint-index", "--bin", "bench-retrieval", "--"];
    let collection = places::root().join("../shared/data/cranfield");
    let mut bench = run::cargo(&program);
    run::show_and_run(bench.arg("--cranfield").arg(collection).args(options))
}
