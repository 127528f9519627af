//! `hardpoint compile-component`: the child that compiles one component, within limits of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub(super) struct Arguments {
    /// Where the native code goes.
    target: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match hardpoint_runtime::compile_child_main(&arguments.target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // The host reads the reason here.
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
