//! From the bytes of a new version to the first call that it answers: uploaded and approved over the API, or
//! copied into the folder; compiled for it, or compiled before.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::host::{BenchHost, Place};
use crate::options::Options;
use crate::tools::{Language, Work, built, named};

/// How often a call is tried, where there is nothing to wait on.
const TRY: Duration = Duration::from_millis(10);
/// How long a version may take to be live.
const PATIENCE: Duration = Duration::from_secs(300);

/// The plugin.
const ID: &str = "published";

pub struct Report {
    rows: Vec<Row>,
}

struct Row {
    language: Language,
    bytes: usize,
    way: &'static str,
    cached: bool,
    /// One a round, ascending by wall time.
    took: Vec<Took>,
}

#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    host: Duration,
    compiler: Duration,
}

/// For the smallest and the largest of the templates.
pub async fn measure(options: &Options) -> Result<Report> {
    let mut rows = Vec::new();
    for language in [Language::Rust, Language::Python] {
        let component = built(language, Work::Statistics)?;
        let place = Place::new("power")?;
        let host = place.start().await?;
        let row = |way, cached| Row { language, bytes: component.len(), way, cached, took: Vec::new() };
        let mut of_language =
            [row("upload", false), row("upload", true), row("folder", false), row("folder", true)];
        for round in 0..options.rounds {
            let [upload, upload_again, folder, folder_again] = &mut of_language;
            let version = format!("1.{round}.0");
            let bytes = named(&component, ID, &version, "fresh");
            upload.took.push(timed(&host, uploaded(&host, &bytes, &version)).await?);
            taken_away(&host).await?;
            upload_again.took.push(timed(&host, uploaded(&host, &bytes, &version)).await?);
            taken_away(&host).await?;
            let version = format!("2.{round}.0");
            let bytes = named(&component, ID, &version, "fresh");
            folder.took.push(timed(&host, copied(&place, &host, &bytes, &version)).await?);
            removed(&place, &host).await?;
            folder_again.took.push(timed(&host, copied(&place, &host, &bytes, &version)).await?);
            removed(&place, &host).await?;
        }
        host.stop().await?;
        rows.extend(of_language);
    }
    for row in &mut rows {
        row.took.sort_by_key(|took| took.wall);
    }
    Ok(Report { rows })
}

async fn timed(host: &BenchHost, publication: impl Future<Output = Result<()>>) -> Result<Took> {
    let (began, cpu, compiler) = (Instant::now(), host.cpu(), host.children_cpu());
    publication.await?;
    Ok(Took {
        wall: began.elapsed(),
        host: host.cpu().saturating_sub(cpu),
        compiler: host.children_cpu().saturating_sub(compiler),
    })
}

/// Uploads, approves exactly these bytes, calls.
async fn uploaded(host: &BenchHost, bytes: &[u8], version: &str) -> Result<()> {
    let body = Bytes::copy_from_slice(bytes);
    let sent = host
        .client
        .send(Method::POST, "/api/v1/plugins", &[("content-type", "application/wasm")], body)
        .await;
    ensure!(sent.status == 201, "the upload was refused: {}", sent.text());
    let sent = sent.json();
    // The version that waits is the candidate of one that serves, else the plugin itself.
    let digest = sent["candidate"]["digest"].as_str().or(sent["digest"].as_str()).context("no digest")?;
    let approved =
        host.client.post(&format!("/api/v1/plugins/{ID}/approve"), &json!({ "digest": digest })).await;
    ensure!(approved.status == 200, "the approval was refused: {}", approved.text());
    served_by(host, version).await
}

/// Copies a file into the folder, and calls until the new version answers.
async fn copied(place: &Place, host: &BenchHost, bytes: &[u8], version: &str) -> Result<()> {
    place.drop_plugin(ID, bytes)?;
    served_by(host, version).await
}

async fn served_by(host: &BenchHost, version: &str) -> Result<()> {
    let began = Instant::now();
    let arguments = serde_json::from_str(&Work::Statistics.body())?;
    loop {
        let answer = host.client.post(&format!("/api/v1/tools/{ID}/call"), &arguments).await;
        if answer.status == 200 && answer.header("hardpoint-plugin") == Some(&format!("{ID}@{version}")) {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "version {version} does not serve: {}", answer.text());
        sleep(TRY).await;
    }
}

/// Over the API; its compiled code stays in the cache.
async fn taken_away(host: &BenchHost) -> Result<()> {
    let gone = host.client.delete(&format!("/api/v1/plugins/{ID}")).await;
    ensure!(gone.status == 204, "it was not removed: {}", gone.text());
    gone_from_service(host).await
}

/// From the folder.
async fn removed(place: &Place, host: &BenchHost) -> Result<()> {
    place.remove_plugin(ID)?;
    gone_from_service(host).await
}

async fn gone_from_service(host: &BenchHost) -> Result<()> {
    let began = Instant::now();
    while host.client.post(&format!("/api/v1/tools/{ID}/call"), &json!({})).await.status != 404 {
        ensure!(began.elapsed() < PATIENCE, "it still serves");
        sleep(TRY).await;
    }
    Ok(())
}

impl Report {
    pub fn print(&self) {
        println!(
            "\npublished until it answers      size  by       compiled          wall   CPU host  CPU compiler"
        );
        for row in &self.rows {
            let Some(took) = row.median() else { continue };
            println!(
                "{:<24} {:>8} KB  {:<8} {:<10} {:>8.0} ms {:>7.0} ms {:>10.0} ms",
                row.language.name(),
                row.bytes / 1_000,
                row.way,
                if row.cached { "before" } else { "for it" },
                millis(took.wall),
                millis(took.host),
                millis(took.compiler),
            );
        }
    }

    pub fn as_json(&self) -> Value {
        let rows = self.rows.iter().filter_map(|row| {
            let took = row.median()?;
            Some(json!({
                "language": row.language.name(),
                "bytes": row.bytes,
                "way": row.way,
                "cached": row.cached,
                "wall_ms": millis(took.wall),
                "host_cpu_ms": millis(took.host),
                "compiler_cpu_ms": millis(took.compiler),
            }))
        });
        rows.collect()
    }
}

impl Row {
    fn median(&self) -> Option<Took> {
        self.took.get(self.took.len() / 2).copied()
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
