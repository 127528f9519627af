//! What a call record costs: CPU time of the whole process for each record, at several batch sizes and
//! numbers of concurrent callers. `cargo run --release -p hardpoint-store --example recording --features testing`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_store::call_records::{self, CallRecord, Outcome};
use hardpoint_store::testing::cluster;
use hardpoint_store::{CallRecorder, Durability, Lane, Store, StoreConfig, StoreError};
use rustix::time::{ClockId, clock_gettime};

/// Records in each measurement.
const RECORDS: usize = 32_000;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), StoreError> {
    println!("{:34} {:>10} {:>10} {:>10}", "", "CPU µs", "wall µs", "per record");
    let postgres = cluster::shared().ok().map(str::to_owned);
    for (name, durability, url) in [
        ("SQLite, process", Durability::Process, None),
        ("SQLite, power", Durability::Power, None),
        ("PostgreSQL, process", Durability::Process, postgres),
    ] {
        if name.starts_with("PostgreSQL") && url.is_none() {
            continue;
        }
        let folder = tempfile::tempdir().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let config = StoreConfig { data: folder.path().to_owned(), url, durability };
        let store = Store::open(&config, Arc::new(Epoch)).await?;
        let mut next = 0;
        for batch in [1, 8, 32] {
            measure(&format!("{name}: batches of {batch}"), async {
                for _ in 0..RECORDS / batch {
                    let records: Vec<_> = (next..next + batch).map(record).collect();
                    next += batch;
                    store
                        .write(Lane::Request, |tx| {
                            Box::pin(async move { call_records::insert(tx, &records).await })
                        })
                        .await?;
                }
                Ok(())
            })
            .await?;
        }
        for callers in [1, 8, 32, 128] {
            let recorder = CallRecorder::start(&store);
            measure(&format!("{name}: {callers} callers"), async {
                let callers = (0..callers).map(|caller| {
                    let (recorder, first, last) = (
                        recorder.clone(),
                        next + caller * RECORDS / callers,
                        next + (caller + 1) * RECORDS / callers,
                    );
                    tokio::spawn(async move {
                        for number in first..last {
                            recorder.record(record(number)).await?;
                        }
                        Ok::<_, StoreError>(())
                    })
                });
                for caller in futures_util::future::join_all(callers).await {
                    caller.map_err(|error| StoreError::Unavailable(error.to_string()))??;
                }
                Ok(())
            })
            .await?;
            next += RECORDS;
        }
        store.close().await;
    }
    Ok(())
}

async fn measure(name: &str, work: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let (cpu, wall) = (time(ClockId::ProcessCPUTime), time(ClockId::Monotonic));
    work.await?;
    let (cpu, wall) = (time(ClockId::ProcessCPUTime) - cpu, time(ClockId::Monotonic) - wall);
    let each = |total: Duration| total.as_secs_f64() * 1e6 / RECORDS as f64;
    println!("{name:34} {:>10.1} {:>10.1}", each(cpu), each(wall));
    Ok(())
}

fn time(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn record(number: usize) -> CallRecord {
    CallRecord {
        id: format!("call_{number:032x}"),
        request_id: format!("req_{number:032x}"),
        time: Timestamp::from_micros(1_760_000_000_000_000 + number as i64 * 40),
        organization_id: Some(format!("org_{:032x}", number % 7)),
        key_id: Some(format!("key_{:032x}", number % 50)),
        method: "POST".into(),
        route: "/api/v1/chat/completions".into(),
        status: 200,
        error_type: None,
        duration_us: 1_234,
        model: Some("small".into()),
        binding: Some("openai".into()),
        plugin: Some("openai".into()),
        plugin_version: Some("1.0.0".into()),
        input_tokens: 12,
        cached_input_tokens: 3,
        output_tokens: 45,
        streamed: false,
        deltas: 1,
        bytes_sent: 900,
        outcome: Outcome::Completed,
    }
}
