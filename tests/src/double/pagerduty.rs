//! A double of PagerDuty's Events API, version 2: `POST /v2/enqueue`. It holds requests to the documents, keeps
//! alerts by their deduplication keys, and counts the events it accepted, by id.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::header;
use super::script::{Ending, Script};
use super::server::Server;
use crate::gate::Gate;

/// The routing key that it takes. Escaped in JSON it would be another: a double finds out.
pub const KEY: &str = "R0UT1NGK3Y0123456789abcdef\"\\cdef";

/// 512 KB.
const MAX_PAYLOAD: usize = 512_000;

/// A running Events API.
pub struct PagerDuty {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<String, u32>,
    alerts: BTreeMap<String, Vec<&'static str>>,
    accepted: Vec<Value>,
    refusals: Vec<String>,
    scripted: VecDeque<Script>,
    gate: Option<Gate>,
    requests: u32,
    under_way: u32,
    most_under_way: u32,
}

impl PagerDuty {
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
                let gate = with(&state, State::begin);
                if let Some(gate) = gate {
                    gate.pass().await;
                }
                let script = with(&state, |state| state.end(head.uri.path(), &head.headers, &body));
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
        with(&self.state, |state| state.scripted.extend(scripts));
    }

    /// Answers wait for this from now on.
    pub fn behind(&self, gate: &Gate) {
        with(&self.state, |state| state.gate = Some(gate.clone()));
    }

    /// How often each event id was triggered.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        with(&self.state, |state| state.counts.clone())
    }

    /// The actions by deduplication key, in order.
    pub fn alerts(&self) -> BTreeMap<String, Vec<&'static str>> {
        with(&self.state, |state| state.alerts.clone())
    }

    /// The events that were accepted, in order.
    pub fn accepted(&self) -> Vec<Value> {
        with(&self.state, |state| state.accepted.clone())
    }

    /// Why requests were refused.
    pub fn refusals(&self) -> Vec<String> {
        with(&self.state, |state| state.refusals.clone())
    }

    /// Requests so far, of any outcome.
    pub fn requests(&self) -> u32 {
        with(&self.state, |state| state.requests)
    }

    /// The most requests that were under way at once.
    pub fn most_under_way(&self) -> u32 {
        with(&self.state, |state| state.most_under_way)
    }
}

fn with<T>(state: &Mutex<State>, look: impl FnOnce(&mut State) -> T) -> T {
    look(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

impl State {
    fn begin(&mut self) -> Option<Gate> {
        self.requests += 1;
        self.under_way += 1;
        self.most_under_way = self.most_under_way.max(self.under_way);
        self.gate.clone()
    }

    fn end(&mut self, path: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        self.under_way -= 1;
        if let Some(script) = self.scripted.pop_front() {
            return script;
        }
        match judge(path, headers, body) {
            Ok((event, action)) => {
                let key = event["dedup_key"].as_str().unwrap_or("generated").to_owned();
                if action == "trigger" {
                    let details = &event["payload"]["custom_details"];
                    let id = details["event"]["id"].as_str().or_else(|| details["event_id"].as_str());
                    *self.counts.entry(id.unwrap_or("without an id").to_owned()).or_default() += 1;
                }
                self.alerts.entry(key.clone()).or_default().push(action);
                self.accepted.push(event);
                let body = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
                answer(202, &body)
            }
            Err((status, why)) => {
                self.refusals.push(why.clone());
                error(status, &why)
            }
        }
    }
}

/// An error of the Events API.
pub fn error(status: u16, why: &str) -> Script {
    answer(
        status,
        &json!({ "status": "invalid event", "message": "Event object is invalid", "errors": [why] }),
    )
}

fn answer(status: u16, body: &Value) -> Script {
    Script::new().status(status).header("content-type", "application/json").bytes(body.to_string())
}

fn judge(path: &str, headers: &HeaderMap, body: &[u8]) -> Result<(Value, &'static str), (u16, String)> {
    let no = |status: u16, why: &str| Err((status, why.to_owned()));
    if path != "/v2/enqueue" {
        return no(404, "Not Found");
    }
    if header(headers, "content-type") != "application/json" || headers.contains_key("content-encoding") {
        return no(415, "Unsupported Media Type");
    }
    if body.len() > MAX_PAYLOAD {
        return no(413, "Payload Too Large");
    }
    let Ok(event @ Value::Object(_)) = serde_json::from_slice::<Value>(body) else {
        return no(400, "JSON is invalid");
    };
    match event["routing_key"].as_str() {
        Some(key) if key.len() != 32 => {
            return no(400, "Length of 'routing_key' is incorrect (should be 32 characters)");
        }
        Some(KEY) => {}
        _ => return no(400, "Invalid routing key"),
    }
    let action = match event["event_action"].as_str() {
        Some("trigger") => "trigger",
        Some("acknowledge") => "acknowledge",
        Some("resolve") => "resolve",
        _ => {
            return no(
                400,
                "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
            );
        }
    };
    let characters = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    if characters(&event["dedup_key"]) > 255 {
        return no(400, "'dedup_key' is too long (maximum is 255 characters)");
    }
    let payload = &event["payload"];
    if action == "trigger" {
        if !(1..=1_024).contains(&characters(&payload["summary"])) {
            return no(400, "'payload.summary' is missing, blank or too long");
        }
        if characters(&payload["source"]) == 0 {
            return no(400, "'payload.source' is missing or blank");
        }
        if !matches!(payload["severity"].as_str(), Some("critical" | "error" | "warning" | "info")) {
            return no(
                400,
                "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
            );
        }
    } else if characters(&event["dedup_key"]) == 0 {
        return no(400, "'dedup_key' is missing or blank");
    }
    Ok((event, action))
}
