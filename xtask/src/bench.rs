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
    run::show_and_run(&mut run::cargo(&["build", "--release", "--package", "hardpoint-server"]))?;
    let mut bench =
        run::cargo(&["run", "--release", "--package", "hardpoint-tests", "--bin", "bench-spine", "--"]);
    bench.args(options);
    bench.env("HARDPOINT_BIN", places::host_binary("release"));
    bench.env("HARDPOINT_PLUGINS", places::target().join("plugins"));
    bench.env("HARDPOINT_FIXTURES", places::target().join("fixtures"));
    run::show_and_run(&mut bench)
}
