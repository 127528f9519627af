//! Where events are told, as cheaply as it can be: it notes of each event when it first arrived, and how long after it
//! happened.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hardpoint_domain::time::Timestamp;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

/// The path of the webhook endpoint, and of the destination.
pub const HOOK: &str = "/hook";
pub const INTAKE: &str = "/intake";

/// How long nothing may arrive while something is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running sink.
pub struct Sink {
    pub address: SocketAddr,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    hook: Mutex<Arrivals>,
    intake: Mutex<Arrivals>,
    count: watch::Sender<u64>,
}

/// What arrived under a path.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// By event: how long after it happened its first attempt arrived.
    delays: HashMap<String, Duration>,
    /// Attempts after the first.
    pub again: u64,
    /// When the last one arrived that was new.
    pub last: Option<Instant>,
}

impl Sink {
    /// Starts it on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Heard::default());
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A socket that refuses the option still serves.
                let _ = socket.set_nodelay(true);
                let hearing = Arc::clone(&hearing);
                let service = service_fn(move |request| hear(Arc::clone(&hearing), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(Self { address, heard })
    }

    /// Forgets what arrived.
    pub fn forget(&self) {
        *locked(&self.heard.hook) = Arrivals::default();
        *locked(&self.heard.intake) = Arrivals::default();
    }

    /// Waits until so many events arrived on both paths; what arrived on each.
    pub async fn wait_for(&self, events: u64) -> Result<[Arrivals; 2]> {
        let mut count = self.heard.count.subscribe();
        let arrived = |arrivals: &Mutex<Arrivals>| locked(arrivals).delays.len() as u64;
        while arrived(&self.heard.hook) < events || arrived(&self.heard.intake) < events {
            if tokio::time::timeout(PATIENCE, count.changed()).await.is_err() {
                let (hook, intake) = (arrived(&self.heard.hook), arrived(&self.heard.intake));
                bail!("of {events} events {hook} came to the endpoint and {intake} to the destination");
            }
        }
        Ok([locked(&self.heard.hook).clone(), locked(&self.heard.intake).clone()])
    }
}

impl Arrivals {
    /// Delays from what an event says of its time to its first attempt, ascending, in milliseconds. That time is
    /// before its commit, so none is told shorter than it was.
    pub fn delays(&self) -> Vec<f64> {
        let mut delays: Vec<f64> = self.delays.values().map(|delay| delay.as_secs_f64() * 1e3).collect();
        delays.sort_unstable_by(f64::total_cmp);
        delays
    }

    fn note(&mut self, id: String, happened: Timestamp, arrived: Timestamp) {
        let delay = arrived.since(happened);
        match self.delays.entry(id) {
            std::collections::hash_map::Entry::Occupied(_) => self.again += 1,
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(delay);
                self.last = Some(Instant::now());
            }
        }
    }
}

async fn hear(heard: Arc<Heard>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let arrived = now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let noted = match head.uri.path() {
        HOOK => {
            let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok());
            note_webhook(&heard, id, &body, arrived)
        }
        _ => note_batch(&heard, &body, arrived),
    };
    heard.count.send_modify(|count| *count += 1);
    let mut response = Response::new(Empty::new());
    // What cannot be read is seen by whoever waits for it.
    *response.status_mut() = if noted.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok(response)
}

fn note_webhook(heard: &Heard, id: Option<&str>, body: &[u8], arrived: Timestamp) -> Result<()> {
    let body: Value = serde_json::from_slice(body)?;
    let happened = body["timestamp"].as_str().and_then(Timestamp::parse).context("no time")?;
    locked(&heard.hook).note(id.context("no id")?.to_owned(), happened, arrived);
    Ok(())
}

fn note_batch(heard: &Heard, body: &[u8], arrived: Timestamp) -> Result<()> {
    let events: Vec<Value> = serde_json::from_slice(body)?;
    let mut intake = locked(&heard.intake);
    for event in &events {
        let id = event["id"].as_str().context("no id")?.to_owned();
        let happened = Timestamp::from_micros(event["time"].as_i64().context("no time")?);
        intake.note(id, happened, arrived);
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "it measures against the host's own clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn locked(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}
