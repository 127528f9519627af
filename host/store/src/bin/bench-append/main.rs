//! Events that are appended by many writers at once, exactly as a change does it: `Tx::append` with what is queued for
//! webhook endpoints, each transaction answered once it is committed. And then given their places in the chain, as the
//! sequencer does it.
//!
//! `bench-append --data FOLDER [--url postgres://…] [--durability power] [--events N] [--writers N] [--together N]
//! [--organization ID] [--unnumbered]`. Prints JSON. `cargo xtask bench events` measures with it, one event a transaction,
//! and fills the log for its export, a thousand a transaction.
//!
//! `--organization` names the one whose events they are; else it makes one, with a webhook endpoint that takes all.
//! `--unnumbered` leaves the events to the sequencer of the next host.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "it measures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use hardpoint_domain::event::{Actor, Event, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::organizations::Organization;
use hardpoint_store::webhooks::Endpoint;
use hardpoint_store::{Durability, Lane, Store, StoreConfig, StoreError, chain, organizations, webhooks};
use serde_json::json;

/// Events that get their places in one transaction: the sequencer's.
const BATCH: u32 = 256;

fn main() {
    let options = Options::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(options)).unwrap();
}

struct Options {
    config: StoreConfig,
    events: u64,
    writers: u64,
    together: u64,
    organization: Option<String>,
    is_unnumbered: bool,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value = |name: &str| {
            let place = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(place + 1).unwrap_or_else(|| panic!("{name} takes a value")).clone())
        };
        let number = |name: &str, left_out| value(name).map_or(left_out, |text| text.parse().unwrap());
        let durability = match value("--durability").as_deref() {
            None | Some("process") => Durability::Process,
            Some("power") => Durability::Power,
            Some(other) => panic!("`{other}` is no durability"),
        };
        let data = PathBuf::from(value("--data").expect("--data names a folder"));
        Self {
            config: StoreConfig { data, blobs: None, url: value("--url"), durability },
            events: number("--events", 20_000),
            writers: number("--writers", 64),
            together: number("--together", 1),
            organization: value("--organization"),
            is_unnumbered: arguments.iter().any(|argument| argument == "--unnumbered"),
        }
    }
}

async fn measure(options: Options) -> Result<(), StoreError> {
    let store = Store::open(&options.config, Arc::new(System)).await?;
    let organization = match &options.organization {
        Some(id) => id.clone(),
        None => told(&store).await?,
    };
    let began = Instant::now();
    let left = Arc::new(AtomicU64::new(options.events));
    let writers = (0..options.writers).map(|_| {
        let (store, left, organization) = (store.clone(), Arc::clone(&left), organization.clone());
        tokio::spawn(write(store, left, options.together, organization))
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap()?;
    }
    let appended = began.elapsed();
    let began = Instant::now();
    let numbered = if options.is_unnumbered { 0 } else { number(&store).await? };
    let seconds = began.elapsed().as_secs_f64();
    store.close().await;
    let told = json!({
        "events": options.events,
        "appended_per_second": options.events as f64 / appended.as_secs_f64(),
        "numbered_per_second": numbered as f64 / seconds,
    });
    println!("{told}");
    Ok(())
}

/// Gives all events their places; how many there were.
async fn number(store: &Store) -> Result<usize, StoreError> {
    let mut numbered = 0;
    loop {
        let write = store.write(Lane::Bulk, |tx| Box::pin(async move { chain::number(tx, BATCH).await }));
        match write.await?.count {
            0 => return Ok(numbered),
            count => numbered += count,
        }
    }
}

/// An organisation with an endpoint that is told all of its events.
async fn told(store: &Store) -> Result<String, StoreError> {
    let (now, id) = (System.now(), |prefix| id::prefixed(prefix, System.now(), &System));
    let organization = Organization {
        id: id("org"),
        name: "Acme".to_owned(),
        plan: "enterprise".to_owned(),
        created_at: now,
    };
    let endpoint = Endpoint {
        id: id("whe"),
        organization_id: organization.id.clone(),
        url: "https://example.com/".to_owned(),
        description: String::new(),
        events: vec!["*".to_owned()],
        is_enabled: true,
        disabled_reason: None,
        previous_until: None,
        health: webhooks::Health::default(),
        created_at: now,
        updated_at: now,
    };
    let id = organization.id.clone();
    let write = store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            organizations::create(tx, &organization).await?;
            webhooks::create(tx, &endpoint).await
        })
    });
    write.await?;
    Ok(id)
}

/// One of the writers: a transaction after the other, until all events are written.
async fn write(
    store: Store,
    left: Arc<AtomicU64>,
    together: u64,
    organization: String,
) -> Result<(), StoreError> {
    loop {
        let taken = left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(together)));
        let events: Vec<Event> =
            (0..taken.unwrap_or(0).min(together)).map(|_| happened(&organization)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let write = store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                for event in &events {
                    tx.append(event, &[]).await?;
                }
                Ok(())
            })
        });
        write.await?;
    }
}

/// What a workspace's change is written down as.
fn happened(organization: &str) -> Event {
    let (now, id) = (System.now(), |prefix| id::prefixed(prefix, System.now(), &System));
    let workspace = id("ws");
    let described = |text| json!({ "name": workspace, "description": text });
    Event {
        organization_id: Some(organization.to_owned()),
        workspace_id: Some(workspace.clone()),
        request_id: Some(id("req")),
        source_ip: Some("127.0.0.1".to_owned()),
        before: Some(described("as it was")),
        after: Some(described("as it is")),
        ..Event::new(
            id("evt"),
            now,
            "workspace.updated",
            Actor::key(id("key"), None),
            Target::new("workspace", &workspace),
        )
    }
}

/// The time of day; and numbers that are good enough for ids, and never the same.
struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

impl Rng for System {
    fn fill(&self, bytes: &mut [u8]) {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        for part in bytes.chunks_mut(8) {
            let mixed = COUNT.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            part.copy_from_slice(&(mixed ^ mixed >> 29).to_le_bytes()[..part.len()]);
        }
    }
}
