//! `cargo xtask bench`: measurements, printed in one run.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{places, plugins, run};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Tool calls, completions over a double of a provider, and the idle host.
    Spine {
        /// Passed on to the load generator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => spine(&[]),
        Some(What::Spine { options }) => spine(options),
    }
}

/// Builds what is measured as it is shipped, but for link-time optimisation.
fn spine(options: &[OsString]) -> Result<()> {
    plugins::build(true, None)?;
    // Both in one command: alone, the runtime would be built with other features, and wasmtime twice.
    let host = ["--package", "hardpoint-server", "--package", "hardpoint-runtime"];
    run::show_and_run(run::cargo(&["build", "--release"]).args(host))?;
    let mut tool_call = std::process::Command::new(places::target().join("release/bench-tool-call"));
    tool_call.env("HARDPOINT_FIXTURES", places::target().join("fixtures"));
    run::show_and_run(&mut tool_call)?;
    let mut bench =
        run::cargo(&["run", "--release", "--package", "hardpoint-tests", "--bin", "bench-spine", "--"]);
    bench.args(options);
    bench.env("HARDPOINT_BIN", places::host_binary("release"));
    bench.env("HARDPOINT_PLUGINS", places::target().join("plugins"));
    bench.env("HARDPOINT_FIXTURES", places::target().join("fixtures"));
    run::show_and_run(&mut bench)
}
