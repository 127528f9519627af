//! `/events/export` of a whole log as NDJSON: how many events a second, and what the host's memory is meanwhile.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep};

use crate::host::{BenchHost, Place};
use crate::options::Options;
use crate::sink::Sink;

/// What the loader puts into one transaction, and how many of its writers there are.
const TOGETHER: &str = "1000";
const LOADERS: &str = "2";
/// How long a host that was started is left alone before it counts as idle.
const SETTLE: Duration = Duration::from_secs(3);
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

pub struct Row {
    database: String,
    events: u64,
    bytes: u64,
    took: Duration,
    cpu: Duration,
    /// Resident, in bytes: before, and the most meanwhile.
    idle: u64,
    most: u64,
}

/// On one database. The log is filled while no host is there, by the calls that a host makes: `Tx::append` and the
/// sequencer's.
pub async fn measure(options: &Options, database: &str) -> Result<Row> {
    let sink = Sink::start().await?;
    let place = Place::new(options, database, sink.address)?;
    let host = place.start().await?;
    let organization = host.organization.clone();
    host.stop().await?;
    eprintln!("{database}: a log of {} events", options.events);
    let events = options.events.to_string();
    let whose = ["--organization", &organization];
    let how = ["--events", &events, "--together", TOGETHER, "--writers", LOADERS];
    place.append(&[&whose[..], &how].concat())?;
    let host = place.start().await?;
    sleep(SETTLE).await;
    let (idle, before) = (host.resident(), host.cpu());
    let began = Instant::now();
    let mut most = idle;
    let (events, bytes) = {
        let mut read = std::pin::pin!(read(&host));
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                read = &mut read => break read?,
                _ = looks.tick() => most = most.max(host.resident()),
            }
        }
    };
    let (took, cpu) = (began.elapsed(), host.cpu().saturating_sub(before));
    ensure!(events >= options.events, "of {} events {events} were exported", options.events);
    host.stop().await?;
    Ok(Row { database: database.to_owned(), events, bytes, took, cpu, idle, most })
}

/// How many events, and bytes, the export has.
async fn read(host: &BenchHost) -> Result<(u64, u64)> {
    let socket = TcpStream::connect(host.address).await.context("connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let request = Request::get("/api/v1/events/export?format=ndjson")
        .header("host", host.address.to_string())
        .header("authorization", format!("Bearer {}", host.key))
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let (mut body, mut lines, mut bytes) = (answer.into_body(), 0, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        lines += data.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += data.len() as u64;
    }
    Ok((lines, bytes))
}

/// The table.
pub fn print(rows: &[Row]) {
    println!("\nexport           events    events/s     MiB/s  CPU/event       idle    at most      above");
    rows.iter().for_each(Row::print);
}

impl Row {
    fn print(&self) {
        println!(
            "{:<11} {:>11} {:>11.0} {:>9.1} {:>7.1} µs {:>6.1} MiB {:>6.1} MiB {:>6.1} MiB",
            self.database,
            self.events,
            self.events as f64 / self.took.as_secs_f64(),
            mib(self.bytes) / self.took.as_secs_f64(),
            self.cpu_micros(),
            mib(self.idle),
            mib(self.most),
            mib(self.most - self.idle),
        );
    }

    pub fn as_json(&self) -> Value {
        json!({
            "database": self.database,
            "events": self.events,
            "bytes": self.bytes,
            "events_per_second": self.events as f64 / self.took.as_secs_f64(),
            "cpu_micros_per_event": self.cpu_micros(),
            "idle_mib": mib(self.idle),
            "most_mib": mib(self.most),
        })
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
