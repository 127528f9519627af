//! The compile step by itself, for this crate's tests and benchmarks. The product runs the same
//! function as a hidden subcommand of its own binary.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(target) = std::env::args_os().nth(1) else { return ExitCode::from(2) };
    match hardpoint_runtime::compile_child_main(Path::new(&target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // The parent reads the reason here.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("{reason}");
            }
            ExitCode::FAILURE
        }
    }
}
