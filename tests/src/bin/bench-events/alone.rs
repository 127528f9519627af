//! The store alone: what appending costs without a request around it, and giving events their places.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::Place;
use crate::options::Options;
use crate::sink::Sink;
use crate::writers::WRITERS;

pub struct Row {
    database: String,
    appended: f64,
    numbered: f64,
}

/// On one database: one event a transaction, many writers at once, each event queued for one endpoint.
pub async fn measure(options: &Options, database: &str) -> Result<Row> {
    eprintln!("{database}: the store alone");
    let place = Place::new(options, database, Sink::start().await?.address)?;
    let (events, writers) = (options.changes.to_string(), WRITERS.to_string());
    let told = place.append(&["--events", &events, "--writers", &writers])?;
    let figure = |name: &str| told[name].as_f64().with_context(|| format!("no {name}"));
    Ok(Row {
        database: database.to_owned(),
        appended: figure("appended_per_second")?,
        numbered: figure("numbered_per_second")?,
    })
}

/// The table.
pub fn print(rows: &[Row]) {
    println!("\nstore alone  writers  appended/s  numbered/s");
    rows.iter().for_each(Row::print);
}

impl Row {
    fn print(&self) {
        println!("{:<11} {WRITERS:>8} {:>11.0} {:>11.0}", self.database, self.appended, self.numbered);
    }

    pub fn as_json(&self) -> Value {
        json!({
            "database": self.database,
            "writers": WRITERS,
            "appended_per_second": self.appended,
            "numbered_per_second": self.numbered,
        })
    }
}
