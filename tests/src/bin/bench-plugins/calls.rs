//! A call of a tool, fresh and warm, in each language: CPU time of the host, and what the caller waits.

use std::time::Duration;

use anyhow::{Context, Result};
use hardpoint_tests::load::{Load, Measured};
use serde_json::{Value, json};

use crate::cache::Shelf;
use crate::host::{BenchHost, Place};
use crate::options::Options;
use crate::tools::{Language, Work};

/// Connections at once.
const CONNECTIONS: [usize; 2] = [1, 8];

/// How an instance lives.
const INSTANCES: [&str; 2] = ["fresh", "warm"];

pub struct Report {
    /// The same request, for a tool that is not there: everything but the sandbox.
    baseline: Vec<Row>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    connections: usize,
    measured: Measured,
    /// The host process's, over the whole measurement.
    cpu: Duration,
    /// CPU time in the sandbox as the host meters it, per call, in microseconds; the instance's making included.
    metered: Option<f64>,
}

/// Runs all of them against one host.
pub async fn measure(options: &Options, shelf: &mut Shelf) -> Result<Report> {
    let place = Place::new("process")?;
    let mut tools = Vec::new();
    for language in Language::ALL {
        for work in Work::ALL {
            let tool = shelf.take(language, work).await?;
            for instance in INSTANCES {
                let id = format!("{}-{}-{instance}", language.name(), work.name());
                tool.drop_into(&place, &id, instance)?;
                tools.push((id, language, work));
            }
        }
    }
    let host = place.start().await?;
    let mut report = Report { baseline: Vec::new(), rows: Vec::new() };
    for connections in CONNECTIONS {
        let load = load(&host, "absent", Work::Statistics, connections, options.calls * 5);
        let load = Load { status: 404, ..load };
        report.baseline.push(row(&host, "no-such-tool", &load).await?);
    }
    for (id, language, work) in &tools {
        let calls = if *language == Language::Rust { options.calls * 5 } else { options.calls };
        for connections in CONNECTIONS {
            let load = load(&host, id, *work, connections, calls);
            report.rows.push(row(&host, id, &load).await?);
        }
    }
    host.stop().await?;
    Ok(report)
}

fn load(host: &BenchHost, tool: &str, work: Work, connections: usize, requests: u64) -> Load {
    Load {
        address: host.address,
        path: format!("/api/v1/tools/{tool}/call"),
        key: Some(host.key.clone()),
        body: work.body().into(),
        status: 200,
        end: b"}",
        connections,
        requests,
    }
}

async fn row(host: &BenchHost, name: &str, load: &Load) -> Result<Row> {
    load.warm_up().await.with_context(|| format!("warming {name} up"))?;
    let (before, metered_before) = (host.cpu(), metered(host, name).await);
    let measured = load.run().await.with_context(|| format!("calling {name}"))?;
    let cpu = host.cpu().saturating_sub(before);
    let metered = match (metered_before, metered(host, name).await) {
        (Some(before), Some(after)) => Some((after - before) * 1_000.0 / measured.requests as f64),
        _ => None,
    };
    Ok(Row { name: name.to_owned(), connections: load.connections, measured, cpu, metered })
}

/// CPU time of a plugin's code so far, in milliseconds; none where there is no such plugin.
async fn metered(host: &BenchHost, id: &str) -> Option<f64> {
    let answer = host.client.get(&format!("/api/v1/plugins/{id}")).await;
    (answer.status == 200).then(|| answer.json()["live"]["cpu_ms"].as_f64()).flatten()
}

impl Report {
    pub fn print(&self) {
        println!(
            "\ncall of a tool               conns   CPU/call  over none  in sandbox        p50        p99   calls/s"
        );
        for row in self.baseline.iter().chain(&self.rows) {
            let metered = row.metered.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.0} µs"));
            println!(
                "{:<28} {:>5} {:>7.0} µs {:>7.0} µs {:>11} {:>7.0} µs {:>7.0} µs {:>9.0}",
                row.name,
                row.connections,
                row.cpu_micros(),
                row.cpu_micros() - self.none(row.connections),
                metered,
                row.measured.percentile(50.0),
                row.measured.percentile(99.0),
                row.measured.rate(),
            );
        }
    }

    pub fn as_json(&self) -> Value {
        let rows = self.baseline.iter().chain(&self.rows).map(|row| {
            json!({
                "name": row.name,
                "connections": row.connections,
                "calls": row.measured.requests,
                "cpu_micros_per_call": row.cpu_micros(),
                "cpu_micros_over_no_tool": row.cpu_micros() - self.none(row.connections),
                "metered_micros_per_call": row.metered,
                "p50_micros": row.measured.percentile(50.0),
                "p99_micros": row.measured.percentile(99.0),
                "calls_per_second": row.measured.rate(),
            })
        });
        rows.collect()
    }

    /// What the request costs without a tool, in microseconds.
    fn none(&self, connections: usize) -> f64 {
        self.baseline.iter().find(|row| row.connections == connections).map_or(0.0, Row::cpu_micros)
    }
}

impl Row {
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.measured.requests as f64
    }
}
