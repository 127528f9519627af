//! Retrieval: how good, how fast, how large.
//!
//! `bench-retrieval [--only cranfield,synthetic] [--cranfield PATH] [--chunks N,N] [--questions N]`; `cargo xtask
//! bench retrieval` tells it where the collection is, and fetches the model. Everything runs on one core but for
//! tantivy's writer, which indexes and merges on threads of its own.

#![allow(clippy::print_stdout, unreachable_pub)]
#![allow(clippy::disallowed_methods, reason = "it measures")]

mod cranfield;
mod fusion;
mod measures;
mod synthetic;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

const HELP: &str = include_str!("options.txt");

/// The command line.
struct Options {
    only: Vec<String>,
    cranfield: Option<PathBuf>,
    chunks: Vec<u64>,
    questions: usize,
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    if options.measures("cranfield") {
        cranfield::measure(options.cranfield.as_deref().context("--cranfield has to name the collection")?)?;
    }
    if options.measures("synthetic") {
        synthetic::measure(&options.chunks, options.questions)?;
    }
    Ok(())
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            only: ["cranfield", "synthetic"].map(str::to_owned).to_vec(),
            cranfield: None,
            chunks: vec![100_000, 1_000_000],
            questions: 200,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} takes a value"));
            match argument.as_str() {
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--cranfield" => options.cranfield = Some(value()?.into()),
                "--chunks" => {
                    options.chunks = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?
                }
                "--questions" => options.questions = value()?.parse()?,
                _ => bail!("{argument} is no option\n\n{HELP}"),
            }
        }
        Ok(options)
    }

    fn measures(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }
}
