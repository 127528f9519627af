//! A double of a collector that takes logs by OTLP over HTTP, in both encodings: `POST /v1/logs`. It counts the
//! records it accepted, by `log.record.uid`.

mod protobuf;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// The token that it takes, as `Authorization: Bearer …`.
pub const TOKEN: &str = "otlp-token-0123456789abcdef";

/// The most of a body that the protocol recommends, uncompressed.
const MAX_BODY: u64 = 20 << 20;

/// A running collector.
pub struct Otlp {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    records: Vec<Value>,
    counts: BTreeMap<String, u32>,
    refusals: Vec<String>,
    scripted: VecDeque<Script>,
    last: Value,
    requests: u32,
    takes: Option<usize>,
}

impl Otlp {
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
                    match state.scripted.pop_front() {
                        Some(script) => script,
                        None => state.take(head.method.as_str(), head.uri.path(), &head.headers, &body),
                    }
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

    /// The most records that it takes in one request; more are 413.
    pub fn takes(&self, records: usize) {
        self.with(|state| state.takes = Some(records));
    }

    /// How often each record was accepted.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.counts.clone())
    }

    /// The records that were accepted, in order, as the protocol's JSON.
    pub fn records(&self) -> Vec<Value> {
        self.with(|state| state.records.clone())
    }

    /// The last request that was accepted, as the protocol's JSON.
    pub fn last(&self) -> Value {
        self.with(|state| state.last.clone())
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

/// An answer of 200 that says how many records were rejected, in JSON.
pub fn partial(rejected: u64, message: &str) -> Script {
    let partial = json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": message });
    let body = json!({ "partialSuccess": partial }).to_string();
    Script::new().header("content-type", "application/json").bytes(body)
}

/// A failure with a `google.rpc.Status`, in JSON.
pub fn failure(status: u16, message: &str) -> Script {
    let body = json!({ "code": 13, "message": message, "details": [] }).to_string();
    Script::new().status(status).header("content-type", "application/json").bytes(body)
}

impl State {
    fn take(&mut self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        let content_type =
            headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match self.judge(method, path, content_type, headers, body) {
            Ok((request, records)) => {
                for record in &records {
                    *self.counts.entry(uid(record)).or_default() += 1;
                }
                self.records.extend(records);
                self.last = request;
                let whole = if content_type == "application/json" { "{\"partialSuccess\":{}}" } else { "" };
                Script::new().header("content-type", content_type).bytes(whole)
            }
            Err((status, why)) => {
                self.refusals.push(why.clone());
                failure(status, &why)
            }
        }
    }

    fn judge(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Value, Vec<Value>), (u16, String)> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let no = |status: u16, why: &str| Err((status, why.to_owned()));
        if path != "/v1/logs" {
            return no(404, "404 page not found");
        }
        if method != "POST" {
            return no(405, "405 method not allowed, supported: [POST]");
        }
        if header("authorization") != format!("Bearer {TOKEN}") {
            return no(401, "authentication failed");
        }
        let mut plain = Vec::new();
        let read = match header("content-encoding") {
            "gzip" => MultiGzDecoder::new(body).take(MAX_BODY + 1).read_to_end(&mut plain),
            "" => body.take(MAX_BODY + 1).read_to_end(&mut plain),
            other => return no(415, &format!("unsupported Content-Encoding: {other}")),
        };
        if read.is_err() {
            return no(400, "the body is no gzip");
        }
        if plain.len() as u64 > MAX_BODY {
            return no(413, "request body too large");
        }
        let request = match content_type {
            "application/json" => serde_json::from_slice(&plain).map_err(|error| (400, error.to_string()))?,
            "application/x-protobuf" => protobuf::request(&plain).map_err(|why| (400, why))?,
            _ => {
                return no(
                    415,
                    "415 unsupported media type, supported: [application/json, application/x-protobuf]",
                );
            }
        };
        let records = records(&request).map_err(|why| (400, why))?;
        match self.takes.is_some_and(|most| records.len() > most) {
            true => no(413, "too many records"),
            false => Ok((request, records)),
        }
    }
}

fn uid(record: &Value) -> String {
    let attributes = record["attributes"].as_array();
    let found = attributes.into_iter().flatten().find(|pair| pair["key"] == "log.record.uid");
    found.and_then(|pair| pair["value"]["stringValue"].as_str()).unwrap_or_default().to_owned()
}

/// All records of a request, each held to the protocol.
fn records(request: &Value) -> Result<Vec<Value>, String> {
    known("the request", request, &["resourceLogs"])?;
    let mut all = Vec::new();
    for resource_logs in list(&request["resourceLogs"])? {
        known("ResourceLogs", resource_logs, &["resource", "scopeLogs", "schemaUrl"])?;
        attributes(&resource_logs["resource"]["attributes"])?;
        for scope_logs in list(&resource_logs["scopeLogs"])? {
            known("ScopeLogs", scope_logs, &["scope", "logRecords", "schemaUrl"])?;
            for record in list(&scope_logs["logRecords"])? {
                check(record)?;
                all.push(record.clone());
            }
        }
    }
    Ok(all)
}

fn check(record: &Value) -> Result<(), String> {
    let fields = [
        "timeUnixNano",
        "observedTimeUnixNano",
        "severityNumber",
        "severityText",
        "body",
        "attributes",
        "droppedAttributesCount",
        "flags",
        "traceId",
        "spanId",
        "eventName",
    ];
    known("LogRecord", record, &fields)?;
    for name in ["timeUnixNano", "observedTimeUnixNano"] {
        let digits = record[name].as_str().ok_or_else(|| format!("{name} is no string"))?;
        digits.parse::<u64>().map_err(|error| format!("{name}: {error}"))?;
    }
    if !record["severityNumber"].as_u64().is_some_and(|number| (1..=24).contains(&number)) {
        return Err(format!("{} is no severity", record["severityNumber"]));
    }
    for (name, length) in [("traceId", 32), ("spanId", 16)] {
        let Some(id) = record.get(name) else { continue };
        let is_hex = |id: &str| id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !id.as_str().is_some_and(is_hex) {
            return Err(format!("{name} {id} is no id"));
        }
    }
    value(&record["body"], 0)?;
    attributes(&record["attributes"])
}

/// Keys are unique.
fn attributes(pairs: &Value) -> Result<(), String> {
    let mut keys = BTreeSet::new();
    for pair in list(pairs)? {
        known("KeyValue", pair, &["key", "value"])?;
        let key = pair["key"].as_str().ok_or("a key is no string")?;
        if !keys.insert(key) {
            return Err(format!("the attribute {key} is there twice"));
        }
        value(&pair["value"], 0)?;
    }
    Ok(())
}

/// Protobuf's readers take a hundred messages, one inside the other.
fn value(any: &Value, depth: usize) -> Result<(), String> {
    let members = any.as_object().ok_or("a value is no object")?;
    let Some((kind, inner)) = members.iter().next() else { return Ok(()) };
    let fits = match kind.as_str() {
        "stringValue" => inner.is_string(),
        "boolValue" => inner.is_boolean(),
        "intValue" => inner.as_str().is_some_and(|digits| digits.parse::<i64>().is_ok()),
        "doubleValue" => inner.is_number(),
        "arrayValue" => {
            list(&inner["values"])?.iter().try_for_each(|item| value(item, depth + 2))?;
            true
        }
        "kvlistValue" => {
            attributes(&inner["values"])?;
            list(&inner["values"])?.iter().try_for_each(|pair| value(&pair["value"], depth + 3))?;
            true
        }
        _ => false,
    };
    match fits && members.len() == 1 && depth < 90 {
        true => Ok(()),
        false => Err(format!("{} is no value", any.to_string().chars().take(100).collect::<String>())),
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| "a list is missing".to_owned())
}

/// Real receivers pass over what they do not know; here it is a mistake.
fn known(what: &str, value: &Value, names: &[&str]) -> Result<(), String> {
    let members = value.as_object().ok_or_else(|| format!("{what} is no object"))?;
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("{what} has no field {name}")),
        None => Ok(()),
    }
}
