//! What it costs to decide who may, how much, and what it is charged: a completion for a customer's key, with limits,
//! reservation and settlement, beside the operator's own, which has none of it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use hardpoint_tests::database;
use hardpoint_tests::load::Measured;
use serde_json::{Value, json};

use crate::CONNECTIONS;
use crate::host::{BenchHost, Setup};

/// Measures both on every engine and durability, and prints a table or JSON.
pub async fn measure(upstream: SocketAddr, requests: u64, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for setup in setups()? {
        let mut host = BenchHost::start(upstream, &setup).await?;
        let paths = [("plain", host.target()), ("governed", host.governed()?)];
        for connections in CONNECTIONS {
            for (path, target) in &paths {
                let load = target.load(false, connections, requests);
                load.warm_up().await?;
                let before = host.cpu();
                let measured = load.run().await?;
                let cpu = host.cpu().saturating_sub(before);
                rows.push(Row { setup: setup.clone(), path, connections, measured, cpu });
            }
        }
        host.stop()?;
    }
    if json {
        println!("{}", json!({ "completions": rows.iter().map(Row::as_json).collect::<Vec<_>>() }));
        return Ok(());
    }
    println!("\ndatabase    durability  path      conns  CPU/request         p50         p99   requests/s");
    rows.iter().for_each(Row::print);
    Ok(())
}

/// SQLite, and the PostgreSQL that `HARDPOINT_TEST_POSTGRES` names, each in both durabilities.
fn setups() -> Result<Vec<Setup>> {
    let mut setups = Vec::new();
    for postgres in [false, true] {
        for durability in ["process", "power"] {
            let database = postgres.then(|| database::new(durability)).transpose()?;
            setups.push(Setup { durability, database });
        }
    }
    Ok(setups)
}

struct Row {
    setup: Setup,
    path: &'static str,
    connections: usize,
    measured: Measured,
    /// The host process's, over the whole measurement.
    cpu: Duration,
}

impl Row {
    fn database(&self) -> &'static str {
        if self.setup.database.is_some() { "postgresql" } else { "sqlite" }
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.measured.requests as f64
    }

    fn print(&self) {
        println!(
            "{:<11} {:<11} {:<9} {:>5} {:>9.1} µs {:>8.0} µs {:>8.0} µs {:>12.0}",
            self.database(),
            self.setup.durability,
            self.path,
            self.connections,
            self.cpu_micros(),
            self.measured.percentile(50.0),
            self.measured.percentile(99.0),
            self.measured.rate(),
        );
    }

    fn as_json(&self) -> Value {
        json!({
            "database": self.database(),
            "durability": self.setup.durability,
            "path": self.path,
            "connections": self.connections,
            "requests": self.measured.requests,
            "cpu_micros_per_request": self.cpu_micros(),
            "p50_micros": self.measured.percentile(50.0),
            "p99_micros": self.measured.percentile(99.0),
            "requests_per_second": self.measured.rate(),
        })
    }
}
