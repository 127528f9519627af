//! What plugins cost: a call in each language, publishing, an idle plugin's memory, a thousand of them.
//!
//! `bench-plugins [--only calls,publish,idle,many] [--calls N] [--rounds N] [--idle N,N] [--plugins N]
//! [--plant] [--json]`. Reads `HARDPOINT_BIN` and `HARDPOINT_BENCH_TOOLS`, a folder that keeps what it builds;
//! `cargo xtask bench plugins` sets both. Load and host share the machine, so wall times are only good for
//! ratios within one run; CPU time is the host process's own.

#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub)]

mod cache;
mod calls;
mod host;
mod idle;
mod many;
mod options;
mod publish;
mod tools;

use anyhow::Result;
use serde_json::{Map, Value};

use cache::Shelf;
use options::Options;

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&options))
}

/// Each part is told as soon as it is over: the whole takes a while.
async fn measure(options: &Options) -> Result<()> {
    let (mut all, mut shelf) = (Map::new(), Shelf::default());
    if options.measures("calls") {
        let report = calls::measure(options, &mut shelf).await?;
        tell(options, &mut all, "calls", report.as_json(), || report.print());
    }
    if options.measures("publish") {
        let report = publish::measure(options).await?;
        tell(options, &mut all, "publish", report.as_json(), || report.print());
    }
    if options.measures("idle") {
        let report = idle::measure(options, &mut shelf).await?;
        tell(options, &mut all, "idle", report.as_json(), || report.print());
    }
    if options.measures("many") {
        let report = many::measure(options, &mut shelf).await?;
        tell(options, &mut all, "many", report.as_json(), || report.print());
    }
    if options.json {
        println!("{}", Value::Object(all));
    }
    Ok(())
}

fn tell(options: &Options, all: &mut Map<String, Value>, part: &str, report: Value, print: impl Fn()) {
    if options.json {
        all.insert(part.to_owned(), report);
    } else {
        print();
    }
}
