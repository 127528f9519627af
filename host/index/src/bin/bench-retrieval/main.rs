//! Retrieval: how good, how fast, how large.
//!
//! `bench-retrieval [--only cranfield,fusion,synthetic] [--cranfield PATH] [--chunks N,N] [--questions N]`; `cargo xtask
//! bench retrieval` tells it where the collection is, and fetches the model. Everything runs on one core but for
//! tantivy's writer, which indexes and merges on threads of its own.

#![allow(clippy::print_stdout, unreachable_pub)]
#![allow(clippy::disallowed_methods, reason = "it measures")]

extern crate alloc;

#[path = "../../../../../plugins/reading/src/chunks/mod.rs"]
#[allow(dead_code, unused_imports, reason = "what plugins need of it")]
mod chunks;
mod cranfield;
#[path = "../../../../../sdk/rust/src/feedback.rs"]
mod feedback;
#[path = "../../../../../sdk/rust/src/fusion.rs"]
#[allow(dead_code, reason = "what plugins need of it")]
mod fusion;
mod measures;
mod search;
mod synthetic;

/// What the SDK's fusion knows of the index.
mod index {
    /// A hit of one list, as `hardpoint:plugin/index` has it.
    #[derive(Clone, Debug)]
    pub struct Ranked {
        pub chunk_id: String,
        pub document_id: String,
        pub rank: u32,
        pub score: f32,
    }
}

/// What the cutting into passages knows of documents.
mod pages {
    /// A page, as the reader of documents has it.
    pub struct Page {
        pub number: u32,
        pub title: Option<String>,
        pub text: String,
        pub headings: Vec<Heading>,
    }

    /// A line that is a heading.
    #[derive(Clone, Copy)]
    pub struct Heading {
        pub start: usize,
        pub end: usize,
        pub level: u8,
    }
}

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
        let folder = options.cranfield.as_deref().context("--cranfield has to name the collection")?;
        cranfield::measure(folder, options.measures("fusion"))?;
    }
    if options.measures("synthetic") {
        synthetic::measure(&options.chunks, options.questions)?;
    }
    Ok(())
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            only: ["cranfield", "fusion", "synthetic"].map(str::to_owned).to_vec(),
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
