//! A double of Datadog's logs intake, version 2: `POST /api/v2/logs`. It holds requests to the documented
//! limits, and counts the events it accepted, by id.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::script::{Ending, Script};
use super::server::Server;

/// The key that it takes.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Uncompressed bytes of a request, bytes of one log, logs in a request.
const MAX_PAYLOAD: u64 = 5 * 1024 * 1024;
const MAX_LOG: usize = 1024 * 1024;
const MAX_LOGS: usize = 1_000;

/// A running intake.
pub struct Datadog {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    accepted: Vec<Value>,
    counts: BTreeMap<String, u32>,
    refusals: Vec<String>,
    scripted: VecDeque<Script>,
    taking: VecDeque<Script>,
    requests: u32,
}

impl Datadog {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let serving = state.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let state = serving.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let script = {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.requests += 1;
                    let answer = match state.scripted.pop_front() {
                        Some(script) => script,
                        None => state.take(head.uri.path(), &head.headers, &body),
                    };
                    let is_taken = answer.status == 202 && !state.taking.is_empty();
                    is_taken.then(|| state.taking.pop_front()).flatten().unwrap_or(answer)
                };
                script.play(Ending::new().0).await
            }
        });
        Ok(Self { server: server.await?, state })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// What the next requests are answered with, in the place of a judgement.
    pub fn next(&self, scripts: impl IntoIterator<Item = Script>) {
        self.with(|state| state.scripted.extend(scripts));
    }

    /// What the next requests that are accepted are answered with all the same.
    pub fn next_taken(&self, scripts: impl IntoIterator<Item = Script>) {
        self.with(|state| state.taking.extend(scripts));
    }

    /// How often each event id was accepted.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.counts.clone())
    }

    /// The logs that were accepted, in order.
    pub fn accepted(&self) -> Vec<Value> {
        self.with(|state| state.accepted.clone())
    }

    /// Why requests were refused.
    pub fn refusals(&self) -> Vec<String> {
        self.with(|state| state.refusals.clone())
    }

    /// Requests so far, of any outcome.
    pub fn requests(&self) -> u32 {
        self.with(|state| state.requests)
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn take(&mut self, path: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        match judge(path, headers, body) {
            Ok(logs) => {
                for log in &logs {
                    for id in event_ids(log) {
                        *self.counts.entry(id).or_default() += 1;
                    }
                }
                self.accepted.extend(logs);
                Script::new().status(202).header("content-type", "application/json").bytes("{}")
            }
            Err((status, title)) => {
                self.refusals.push(title.clone());
                error(status, &title)
            }
        }
    }
}

/// An error of the intake.
pub fn error(status: u16, title: &str) -> Script {
    let body = json!({"errors": [{"status": status.to_string(), "title": title, "detail": title}]});
    Script::new().status(status).header("content-type", "application/json").bytes(body.to_string())
}

fn judge(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Value>, (u16, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let no = |status: u16, why: &str| Err((status, why.to_owned()));
    if path != "/api/v2/logs" {
        return no(404, "Not Found");
    }
    if header("dd-api-key") != KEY {
        return no(403, "Forbidden");
    }
    if !header("content-type").starts_with("application/json") {
        return no(415, "Unsupported Media Type");
    }
    let mut plain = Vec::new();
    let read = match header("content-encoding") {
        "gzip" => MultiGzDecoder::new(body).take(MAX_PAYLOAD + 1).read_to_end(&mut plain),
        "" => body.take(MAX_PAYLOAD + 1).read_to_end(&mut plain),
        other => return no(415, &format!("Unsupported Content-Encoding {other}")),
    };
    if read.is_err() {
        return no(400, "The body is no gzip");
    }
    if plain.len() as u64 > MAX_PAYLOAD {
        return no(413, "Payload Too Large");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&plain) else {
        return no(400, "Invalid JSON");
    };
    let logs = match body {
        Value::Array(logs) => logs,
        log @ Value::Object(_) => vec![log],
        _ => return no(400, "Neither an array nor an object"),
    };
    if logs.len() > MAX_LOGS {
        return no(413, "Too many logs");
    }
    if logs.iter().any(|log| !log["message"].is_string()) {
        return no(400, "A log without a message");
    }
    // The real intake cuts a log that is too long and still answers 202: a loss that no client sees.
    if logs.iter().any(|log| log.to_string().len() > MAX_LOG) {
        return no(413, "A log over 1 MB");
    }
    Ok(logs)
}

/// Ids of events in a log, wherever the exporter put them: in a member, or in the message's JSON.
fn event_ids(log: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    collect_ids(log, &mut ids);
    ids.sort();
    ids.dedup();
    ids
}

fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("evt_") && !text.contains(' ') => ids.push(text.clone()),
        Value::String(text) if text.starts_with('{') => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                collect_ids(&inner, ids);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_ids(value, ids)),
        Value::Object(members) => members.values().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}
