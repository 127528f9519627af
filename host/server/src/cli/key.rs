//! `hardpoint key`.

use clap::Subcommand;
use hardpoint_domain::key::{KeyText, Mode};

use super::Failure;
use crate::system::SystemRng;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the text of a new key, for HARDPOINT_BOOTSTRAP_KEY. It opens nothing by itself.
    #[command(after_help = "Example:
  HARDPOINT_BOOTSTRAP_KEY=$(hardpoint key new) hardpoint serve")]
    New {
        /// A test key: named as such, and told apart in records. It may do what a live key may, so far.
        #[arg(long)]
        test: bool,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::New { test } = command;
    let mode = if *test { Mode::Test } else { Mode::Live };
    println!("{}", KeyText::generate(mode, &SystemRng).reveal());
    Ok(())
}
