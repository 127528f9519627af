//! The binary `hardpoint`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hardpoint_server::cli::main()
}
