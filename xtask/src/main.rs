//! `cargo xtask`: the commands of the README and what they need. Each does all of its own set-up.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks through its output"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "it measures and tidies up after itself with the system's own means"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod clients;
#[path = "../../host/store/src/testing/cluster.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is the store's, and offers its tests more than is needed here"
)]
mod cluster;
mod debian;
mod deny;
mod disk;
mod docs;
mod model;
#[path = "../../host/index/src/embedder/model.rs"]
#[allow(unreachable_pub, reason = "it is the index's, which publishes it")]
mod model_file;
mod places;
mod plugins;
mod run;
mod serve;
mod steps;
mod test;
mod tidy;

/// The commands of this repository. Each installs what it needs and says what it does.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and serve on http://127.0.0.1:8080, with SQLite in ./data.
    Serve(serve::Arguments),
    /// Run everything that CI runs.
    Test(test::Arguments),
    /// Build the plugins into target/plugins, one .wasm file each.
    Plugins(plugins::Arguments),
    /// Set up the Python and JavaScript clients that the tests drive, outside the tree.
    Clients,
    /// Fetch the embedding model once, round it to bytes, and keep it outside the tree.
    Model,
    /// Make the parts of the documentation anew that come from the code.
    Docs(docs::Arguments),
    /// Measure.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Plugins(arguments) => plugins::run(&arguments),
        Command::Clients => clients::run(),
        Command::Model => model::run(),
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace: whoever reads this looks for a cause, not for a line of ours.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
