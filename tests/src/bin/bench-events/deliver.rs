//! Changes over the API, each an event, told to a webhook endpoint and to a standing destination: how many a second are
//! accepted and delivered, and how soon.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::host::{BenchHost, Place};
use crate::options::Options;
use crate::sink::{Arrivals, Sink};
use crate::writers::{Accepted, WRITERS, Writers};

/// Changes before anything is measured.
const WARM_UP: u64 = 500;

pub struct Row {
    database: String,
    /// Changes a second that were asked for; as fast as they were answered where there are none.
    rate: Option<u32>,
    accepted: Accepted,
    /// The endpoint's, and the destination's.
    arrivals: [Arrivals; 2],
    /// The host process's, from the first change to the last delivery.
    cpu: Duration,
}

/// On one database.
pub async fn measure(options: &Options, database: &str) -> Result<Vec<Row>> {
    let sink = Sink::start().await?;
    let place = Place::new(options, database, sink.address)?;
    let host = place.start().await?;
    host.tell(sink.address).await?;
    let paths = host.workspaces(WRITERS).await?;
    let writers = Writers { address: host.address, key: host.key.clone(), paths };
    let mut scene = Scene { database: database.to_owned(), host, sink, writers };
    scene.run(WARM_UP, None).await?;
    let mut rows = Vec::new();
    for &rate in &options.rates {
        eprintln!("{database}: {rate} changes a second");
        rows.push(scene.run(u64::from(rate) * u64::from(options.seconds), Some(rate)).await?);
    }
    eprintln!("{database}: {} changes, {WRITERS} at once", options.changes);
    rows.push(scene.run(options.changes, None).await?);
    scene.host.stop().await?;
    Ok(rows)
}

struct Scene {
    database: String,
    host: BenchHost,
    sink: Sink,
    writers: Writers,
}

impl Scene {
    async fn run(&mut self, changes: u64, rate: Option<u32>) -> Result<Row> {
        self.sink.forget();
        let before = self.host.cpu();
        let accepted = self.writers.change(changes, rate).await?;
        let arrivals = self.sink.wait_for(changes).await?;
        let cpu = self.host.cpu().saturating_sub(before);
        Ok(Row { database: self.database.clone(), rate, accepted, arrivals, cpu })
    }
}

/// The table.
pub fn print(rows: &[Row]) {
    println!(
        "\nchanges     at once  accepted/s  CPU/change   endpoint: events/s       p50       p99  again   \
         destination: events/s       p50       p99  again"
    );
    rows.iter().for_each(Row::print);
}

impl Row {
    fn print(&self) {
        let asked = self.rate.map_or_else(|| format!("{WRITERS}"), |rate| format!("{rate}/s"));
        print!(
            "{:<11} {asked:>7} {:>11.0} {:>8.0} µs",
            self.database,
            self.accepted_per_second(),
            self.cpu_micros()
        );
        for (arrivals, width) in self.arrivals.iter().zip([20, 24]) {
            let (delays, per_second) = (arrivals.delays(), self.delivered_per_second(arrivals));
            let (half, most) = (percentile(&delays, 50.0), percentile(&delays, 99.0));
            print!(" {per_second:>width$.0} {half:>6.1} ms {most:>6.1} ms {:>6}", arrivals.again);
        }
        println!();
    }

    pub fn as_json(&self) -> Value {
        let told = |arrivals: &Arrivals| {
            let delays = arrivals.delays();
            json!({
                "events_per_second": self.delivered_per_second(arrivals),
                "p50_ms": percentile(&delays, 50.0),
                "p99_ms": percentile(&delays, 99.0),
                "again": arrivals.again,
            })
        };
        let [endpoint, destination] = &self.arrivals;
        json!({
            "database": self.database,
            "changes": self.accepted.changes,
            "changes_per_second_asked": self.rate,
            "accepted_per_second": self.accepted_per_second(),
            "cpu_micros_per_change": self.cpu_micros(),
            "endpoint": told(endpoint),
            "destination": told(destination),
        })
    }

    fn accepted_per_second(&self) -> f64 {
        self.accepted.changes as f64 / self.accepted.took.as_secs_f64()
    }

    /// From the first change to the last delivery.
    fn delivered_per_second(&self, arrivals: &Arrivals) -> f64 {
        let took = arrivals.last.map_or(Duration::ZERO, |last| last.duration_since(self.accepted.began));
        self.accepted.changes as f64 / took.as_secs_f64()
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.accepted.changes as f64
    }
}

/// Of figures in ascending order.
fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    let place = (last as f64 * percent / 100.0).round() as usize;
    ascending.get(place).copied().unwrap_or(0.0)
}
