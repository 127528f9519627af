//! What a call record costs: CPU time of the whole process for each record, at several batch sizes and
//! numbers of concurrent callers. `cargo run --release -p hardpoint-store --example recording --features testing`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hardpoint_domain::money::Credits;
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_store::call_records::{self, CallRecord, Outcome};
use hardpoint_store::testing::cluster;
use hardpoint_store::{CallRecorder, Durability, Lane, Store, StoreConfig, StoreError};
use rustix::time::{ClockId, clock_gettime};

/// Records in each measurement.
const RECORDS: usize = 32_000;
/// Whose they are. With more keys each batch touches more pages of the index by key.
const ORGANIZATIONS: usize = 2;
const KEYS: usize = 4;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), StoreError> {
    // On a thread of the runtime, like a server's.
    tokio::spawn(run()).await.unwrap_or(Ok(()))
}

async fn run() -> Result<(), StoreError> {
    println!("{:44} {:>10} {:>10} per record", "", "CPU µs", "wall µs");
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
        let config = StoreConfig { data: folder.path().to_owned(), blobs: None, url, durability };
        let store = Store::open(&config, Arc::new(Epoch)).await?;
        let mut next = 0;
        for batch in [1, 8, 32] {
            measure(&format!("{name}: batches of {batch}"), Duration::ZERO, async {
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
        for (callers, other_work) in [(1, 0), (8, 0), (32, 0), (128, 0), (8, 100), (32, 100)] {
            let recorder = CallRecorder::start(&store, std::sync::Arc::new(Epoch));
            let other_work = Duration::from_micros(other_work);
            measure(&format!("{name}: {callers} callers"), other_work, async {
                // One after the other in time, as requests come in, whoever makes them.
                let numbers = Arc::new(AtomicUsize::new(next));
                let callers = (0..callers).map(|_| {
                    let (recorder, numbers, last) = (recorder.clone(), Arc::clone(&numbers), next + RECORDS);
                    tokio::spawn(async move {
                        loop {
                            let number = numbers.fetch_add(1, Ordering::Relaxed);
                            if number >= last {
                                return Ok::<_, StoreError>(());
                            }
                            burn(other_work);
                            recorder.record(record(number)).await?;
                        }
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

/// Runs `work`; what it did beside recording, `other_work` for each record, does not count.
async fn measure(
    name: &str,
    other_work: Duration,
    work: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let (cpu, wall) = (time(ClockId::ProcessCPUTime), time(ClockId::Monotonic));
    work.await?;
    let (cpu, wall) = (time(ClockId::ProcessCPUTime) - cpu, time(ClockId::Monotonic) - wall);
    let each = |total: Duration| total.as_secs_f64() * 1e6 / RECORDS as f64;
    let others = other_work.as_secs_f64() * 1e6;
    let name = if others > 0.0 { format!("{name}, {others} µs apart") } else { name.to_owned() };
    println!("{name:44} {:>10.1} {:>10.1}", each(cpu) - others, each(wall));
    Ok(())
}

/// What a request costs beside its record: it keeps the runtime's threads busy, so that waking them is cheap.
fn burn(work: Duration) {
    let start = time(ClockId::ThreadCPUTime);
    while time(ClockId::ThreadCPUTime) - start < work {}
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
        organization_id: Some(format!("org_{:032x}", number % ORGANIZATIONS)),
        key_id: Some(format!("key_{:032x}", number % KEYS)),
        method: "POST".into(),
        route: "/api/v1/chat/completions".into(),
        status: 200,
        error_type: None,
        error_message: None,
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
        charge: Credits::ZERO,
        rates: None,
    }
}
