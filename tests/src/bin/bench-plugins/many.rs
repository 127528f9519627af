//! A thousand plugins: publishing them, and starting again with all of them compiled.

use std::time::Duration;

use anyhow::Result;
use hardpoint_tests::process::{self, Memory};
use serde_json::{Value, json};

use crate::cache::Shelf;
use crate::host::{Place, compiled};
use crate::options::Options;
use crate::tools::{Language, Work, built, named};

/// How long publishing all of them may take: each is compiled, one after the other.
const PATIENCE: Duration = Duration::from_secs(3_600);

pub struct Report {
    plugins: usize,
    bytes: usize,
    planted: bool,
    published: Start,
    again: Start,
}

/// A start of the host, until it was ready.
struct Start {
    wall: Duration,
    host: Duration,
    compiler: Duration,
    memory: Memory,
}

/// The same small tool under so many ids.
pub async fn measure(options: &Options, shelf: &mut Shelf) -> Result<Report> {
    let component = built(Language::Rust, Work::Nothing)?;
    let place = Place::new("power")?;
    let tool = if options.plant { Some(shelf.take(Language::Rust, Work::Nothing).await?) } else { None };
    for number in 0..options.plugins {
        let id = format!("many-{number:04}");
        match &tool {
            Some(tool) => tool.drop_into(&place, &id, "fresh")?,
            None => place.drop_plugin(&id, &named(&component, &id, "0.1.0", "fresh"))?,
        }
    }
    let published = start(&place, options).await?;
    let again = start(&place, options).await?;
    Ok(Report { plugins: options.plugins, bytes: component.len(), planted: options.plant, published, again })
}

async fn start(place: &Place, options: &Options) -> Result<Start> {
    let mut host = place.launch()?;
    let (cache, mut told) = (place.compiled(), Duration::ZERO);
    let wall = host
        .ready(PATIENCE, |passed| {
            if passed >= told + Duration::from_secs(10) {
                told = passed;
                eprintln!(
                    "{} of {} compiled after {} s",
                    compiled(&cache),
                    options.plugins,
                    passed.as_secs()
                );
            }
        })
        .await?;
    let start =
        Start { wall, host: host.cpu(), compiler: host.children_cpu(), memory: process::memory(host.pid()) };
    // Each of them is there, and the last one answers.
    let last = format!("/api/v1/tools/many-{:04}/call", options.plugins - 1);
    host.client.post(&last, &json!({ "arguments": {} })).await.expect(200);
    let listed = host.client.get("/api/v1/plugins?page_size=1").await.expect(200);
    anyhow::ensure!(listed["total"] == options.plugins, "{} plugins are there", listed["total"]);
    host.stop().await?;
    Ok(start)
}

impl Report {
    pub fn print(&self) {
        println!(
            "\n{} plugins of {} KB        until ready   CPU host  CPU compiler  resident  of it anonymous",
            self.plugins,
            self.bytes / 1_000
        );
        let first = if self.planted { "published, compiled before" } else { "published" };
        for (name, start) in [(first, &self.published), ("started again", &self.again)] {
            println!(
                "{:<28} {:>9.2} s {:>8.2} s {:>11.2} s {:>6.0} MiB {:>12.0} MiB",
                name,
                start.wall.as_secs_f64(),
                start.host.as_secs_f64(),
                start.compiler.as_secs_f64(),
                mib(start.memory.resident),
                mib(start.memory.anonymous),
            );
        }
    }

    pub fn as_json(&self) -> Value {
        json!({
            "plugins": self.plugins,
            "bytes": self.bytes,
            "planted": self.planted,
            "published": self.published.as_json(),
            "started_again": self.again.as_json(),
        })
    }
}

impl Start {
    fn as_json(&self) -> Value {
        json!({
            "wall_s": self.wall.as_secs_f64(),
            "host_cpu_s": self.host.as_secs_f64(),
            "compiler_cpu_s": self.compiler.as_secs_f64(),
            "resident": self.memory.resident,
            "anonymous": self.memory.anonymous,
        })
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
