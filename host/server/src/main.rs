//! The binary `hardpoint`.

use std::process::ExitCode;

/// A fifth of a small completion's time went into glibc's allocator; see docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hardpoint_server::cli::main()
}
