//! What a completion costs over calling its upstream directly: CPU time, latency, memory.
//!
//! `bench-spine [--governed] [--requests N] [--only plain@32] [--json]`. Reads `HARDPOINT_BIN` and `HARDPOINT_PLUGINS`,
//! which `cargo xtask bench spine` and `bench governed` set. Load, upstream and host share the machine, so wall times are only good for
//! ratios within one run; CPU time is the host process's own.

#![allow(clippy::print_stdout, unreachable_pub)]

mod governed;
mod host;
mod target;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use hardpoint_tests::load::Measured;
use serde_json::json;

use host::{BenchHost, Setup};
use target::Target;

/// Requests in one measurement, where nothing else is said.
const REQUESTS: u64 = 20_000;
/// Connections at once.
const CONNECTIONS: [usize; 2] = [1, 32];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let value = |option: &str| {
        let place = arguments.iter().position(|argument| argument == option)?;
        Some(arguments.get(place + 1).map(String::as_str).with_context(|| format!("{option} takes a value")))
    };
    let requests = value("--requests").transpose()?.map_or(Ok(REQUESTS), str::parse)?;
    let only = value("--only").transpose()?;
    let governed = arguments.iter().any(|argument| argument == "--governed");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let upstream = upstream::start().await?;
        match governed {
            true => governed::measure(upstream, requests, json).await,
            false => measure(upstream, requests, only, json).await,
        }
    })
}

async fn measure(upstream: SocketAddr, requests: u64, only: Option<&str>, json: bool) -> Result<()> {
    let mut host = BenchHost::start(upstream, &Setup { durability: "process", database: None }).await?;
    let idle = host.resident_mib();
    let mut rows = Vec::new();
    for streamed in [false, true] {
        for connections in CONNECTIONS {
            let name = format!("{}@{connections}", if streamed { "streamed" } else { "plain" });
            if only.is_some_and(|only| only != name) {
                continue;
            }
            // A 50-chunk stream costs several times as much; a quarter of them measures as well.
            let count = if streamed { requests / 4 } else { requests };
            let direct = Target::upstream(upstream).load(streamed, connections, count);
            let through = host.target().load(streamed, connections, count);
            through.warm_up().await?;
            let direct = direct.run().await?;
            let before = host.cpu();
            let through = through.run().await?;
            let cpu = host.cpu().saturating_sub(before);
            rows.push(Row { streamed, connections, direct, through, cpu });
        }
    }
    let loaded = host.resident_mib();
    host.stop()?;
    if json {
        let rows: Vec<_> = rows.iter().map(Row::as_json).collect();
        println!("{}", json!({ "idle_mib": idle, "loaded_mib": loaded, "completions": rows }));
        return Ok(());
    }
    println!(
        "\ncompletion            conns  CPU/request   p50 direct  p50 through  p99 through   requests/s"
    );
    for row in &rows {
        row.print();
    }
    println!("\nmemory: {idle:.1} MiB idle, {loaded:.1} MiB after the load");
    Ok(())
}

struct Row {
    streamed: bool,
    connections: usize,
    direct: Measured,
    through: Measured,
    /// The host process's, over the whole measurement.
    cpu: Duration,
}

impl Row {
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.through.requests as f64
    }

    fn print(&self) {
        println!(
            "{:<20} {:>6} {:>9.1} µs {:>9.0} µs {:>9.0} µs {:>9.0} µs {:>12.0}",
            if self.streamed { "stream of 50 chunks" } else { "plain" },
            self.connections,
            self.cpu_micros(),
            self.direct.percentile(50.0),
            self.through.percentile(50.0),
            self.through.percentile(99.0),
            self.through.rate(),
        );
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "streamed": self.streamed,
            "connections": self.connections,
            "requests": self.through.requests,
            "cpu_micros_per_request": self.cpu_micros(),
            "p50_direct_micros": self.direct.percentile(50.0),
            "p50_through_micros": self.through.percentile(50.0),
            "p99_through_micros": self.through.percentile(99.0),
            "requests_per_second": self.through.rate(),
        })
    }
}
