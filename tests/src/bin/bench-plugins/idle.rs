//! What a plugin that nobody calls takes of the host's memory, loaded from the cache.

use anyhow::Result;
use hardpoint_tests::process::{self, Memory};
use serde_json::{Value, json};

use crate::cache::{Shelf, Tool};
use crate::host::Place;
use crate::options::Options;
use crate::tools::{Language, Work};

pub struct Report {
    /// A host without plugins.
    bare: Memory,
    rows: Vec<Row>,
}

struct Row {
    language: Language,
    plugins: usize,
    /// Of one, in bytes.
    code: u64,
    loaded: Memory,
    /// After one call of each.
    called: Memory,
}

/// Each language by itself.
pub async fn measure(options: &Options, shelf: &mut Shelf) -> Result<Report> {
    let bare = Place::new("power")?;
    bare.start().await?.stop().await?;
    // The second start, as for the others.
    let host = bare.start().await?;
    let mut report = Report { bare: process::memory(host.pid()), rows: Vec::new() };
    host.stop().await?;
    for language in Language::ALL {
        let tool = shelf.take(language, Work::Statistics).await?;
        for &plugins in &options.idle {
            eprintln!("{plugins} idle plugins in {}", language.name());
            report.rows.push(row(&tool, plugins).await?);
        }
    }
    Ok(report)
}

async fn row(tool: &Tool, plugins: usize) -> Result<Row> {
    let place = Place::new("power")?;
    let ids: Vec<String> = (0..plugins).map(|number| format!("idle-{number}")).collect();
    for id in &ids {
        tool.drop_into(&place, id, "fresh")?;
    }
    // Publishing leaves things behind that an idle host does not have.
    place.start().await?.stop().await?;
    let host = place.start().await?;
    let loaded = process::memory(host.pid());
    let arguments = serde_json::from_str(&Work::Statistics.body())?;
    for id in &ids {
        host.client.post(&format!("/api/v1/tools/{id}/call"), &arguments).await.expect(200);
    }
    let called = process::memory(host.pid());
    host.stop().await?;
    Ok(Row { language: tool.language, plugins, code: tool.code.size, loaded, called })
}

impl Report {
    pub fn print(&self) {
        println!(
            "\nidle plugins          compiled  resident  of it anonymous   each more: anonymous  of files   called once: anonymous  of files"
        );
        println!(
            "{:<20} {:>9} {:>6.1} MiB {:>12.1} MiB",
            "none",
            "-",
            mib(self.bare.resident),
            mib(self.bare.anonymous)
        );
        for row in &self.rows {
            let (loaded, called) = (self.each(row, |row| row.loaded), self.each(row, |row| row.called));
            println!(
                "{:>6} {:<13} {:>5.1} MiB {:>6.1} MiB {:>12.1} MiB {:>17.0} KiB {:>5.0} KiB {:>19.0} KiB {:>5.0} KiB",
                row.plugins,
                row.language.name(),
                mib(row.code),
                mib(row.loaded.resident),
                mib(row.loaded.anonymous),
                loaded.0,
                loaded.1,
                called.0,
                called.1,
            );
        }
    }

    pub fn as_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.row_as_json(row)).collect();
        json!({ "bare": bytes(self.bare), "plugins": rows })
    }

    fn row_as_json(&self, row: &Row) -> Value {
        let (loaded, called) = (self.each(row, |row| row.loaded), self.each(row, |row| row.called));
        json!({
            "language": row.language.name(),
            "plugins": row.plugins,
            "compiled_bytes": row.code,
            "loaded": bytes(row.loaded),
            "called": bytes(row.called),
            "each_anonymous_kib": loaded.0,
            "each_of_files_kib": loaded.1,
            "each_called_anonymous_kib": called.0,
            "each_called_of_files_kib": called.1,
        })
    }

    /// What one plugin more takes in KiB, anonymous and of files: over the row before, since what all share (the
    /// sandboxes that are kept warm) grows only up to a bound.
    fn each(&self, row: &Row, which: fn(&Row) -> Memory) -> (f64, f64) {
        let before =
            self.rows.iter().rfind(|other| other.language == row.language && other.plugins < row.plugins);
        let (without, fewer) = before.map_or((self.bare, 0), |before| (which(before), before.plugins));
        let (with, more) = (which(row), (row.plugins - fewer) as f64);
        let each = |with: u64, without: u64| (with as f64 - without as f64) / 1024.0 / more;
        (each(with.anonymous, without.anonymous), each(with.of_files(), without.of_files()))
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn bytes(memory: Memory) -> Value {
    json!({ "resident": memory.resident, "anonymous": memory.anonymous })
}
