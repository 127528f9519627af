//! Events: how many a second are accepted and delivered, how soon, and how fast the log is exported.
//!
//! `bench-events [--only store,deliver,export] [--databases sqlite,postgresql] [--durability process] [--changes N]
//! [--rates N,N] [--seconds N] [--events N] [--json]`. Reads `HARDPOINT_BIN`, beside which `bench-append` is,
//! `HARDPOINT_PLUGINS`, and for PostgreSQL `HARDPOINT_TEST_POSTGRES`; `cargo xtask bench events` sets them. Load, sink,
//! database and host share the machine; CPU time is the host process's own.

#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod alone;
mod deliver;
mod export;
mod host;
mod options;
mod sink;
mod writers;

use anyhow::Result;
use serde_json::{Map, Value};

use options::Options;

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&options))
}

/// Each part is told as soon as it is over: the whole takes a while.
async fn measure(options: &Options) -> Result<()> {
    let mut all = Map::new();
    if options.measures("store") {
        let mut rows = Vec::new();
        for database in &options.databases {
            rows.push(alone::measure(options, database).await?);
        }
        tell(options, &mut all, "store", rows.iter().map(alone::Row::as_json).collect(), || {
            alone::print(&rows);
        });
    }
    if options.measures("deliver") {
        let mut rows = Vec::new();
        for database in &options.databases {
            rows.extend(deliver::measure(options, database).await?);
        }
        tell(options, &mut all, "deliver", rows.iter().map(deliver::Row::as_json).collect(), || {
            deliver::print(&rows);
        });
    }
    if options.measures("export") {
        let mut rows = Vec::new();
        for database in &options.databases {
            rows.push(export::measure(options, database).await?);
        }
        tell(options, &mut all, "export", rows.iter().map(export::Row::as_json).collect(), || {
            export::print(&rows);
        });
    }
    if options.json {
        println!("{}", Value::Object(all));
    }
    Ok(())
}

fn tell(options: &Options, all: &mut Map<String, Value>, part: &str, rows: Vec<Value>, print: impl Fn()) {
    if options.json {
        all.insert(part.to_owned(), rows.into());
    } else {
        print();
    }
}
