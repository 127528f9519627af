//! A double of Splunk's HTTP Event Collector, with or without indexer acknowledgement. It holds requests to
//! the documents, and counts the events it accepted, by id.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::body::{Unreadable, header, plain};
use super::script::{Ending, Script};
use super::server::Server;

/// The token that it takes.
pub const TOKEN: &str = "8a1e4a5c-6c0e-4d4b-9a3f-0b2f6d7c9e11";

/// The index that the token does not allow.
pub const FOREIGN_INDEX: &str = "secrets";

/// Uncompressed bytes of a request, as Splunk Cloud asks for them.
const MAX_CONTENT: usize = 1_000_000;

/// A running collector.
pub struct Splunk {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How often one asks in vain for the acknowledgement of a request; none where the token has none.
    indexing: Option<u32>,
    channels: BTreeMap<String, Channel>,
    accepted: Vec<Value>,
    counts: BTreeMap<String, u32>,
    refusals: Vec<String>,
    scripted: VecDeque<(String, Script)>,
    posts: u32,
    asked: u32,
}

#[derive(Default)]
struct Channel {
    next: u64,
    /// How often each is asked for in vain yet. What was told is gone.
    open: BTreeMap<u64, u32>,
}

impl Splunk {
    /// Starts it on a free port; its token has no indexer acknowledgement.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        Self::serve(State::default()).await
    }

    /// The same with indexer acknowledgement. Each is asked for so often in vain.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn acknowledging(in_vain: u32) -> Result<Self> {
        Self::serve(State { indexing: Some(in_vain), ..State::default() }).await
    }

    async fn serve(state: State) -> Result<Self> {
        let state = Arc::new(Mutex::new(state));
        let serving = state.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let state = serving.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let script = {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.take(&head.method, head.uri.path(), &head.headers, &body)
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

    /// What the next requests to a path that ends like this are answered with, in the place of a judgement.
    pub fn next(&self, path: &str, scripts: impl IntoIterator<Item = Script>) {
        let scripts = scripts.into_iter().map(|script| (path.to_owned(), script));
        self.with(|state| state.scripted.extend(scripts));
    }

    /// How often each event id was accepted.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.counts.clone())
    }

    /// The events that were accepted, in order, with their metadata.
    pub fn accepted(&self) -> Vec<Value> {
        self.with(|state| state.accepted.clone())
    }

    /// Why requests were refused.
    pub fn refusals(&self) -> Vec<String> {
        self.with(|state| state.refusals.clone())
    }

    /// Requests with events so far, of any outcome.
    pub fn posts(&self) -> u32 {
        self.with(|state| state.posts)
    }

    /// Requests for acknowledgements so far, of any outcome.
    pub fn asked(&self) -> u32 {
        self.with(|state| state.asked)
    }

    /// Channels that were used.
    pub fn channels(&self) -> Vec<String> {
        self.with(|state| state.channels.keys().cloned().collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A refusal: HTTP status, code, text, and the number of the event.
type Refusal = (u16, u16, &'static str, Option<usize>);

impl State {
    fn take(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        let is_ack = path == "/services/collector/ack";
        *(if is_ack { &mut self.asked } else { &mut self.posts }) += 1;
        if let Some(place) = self.scripted.iter().position(|(end, _)| path.ends_with(end.as_str()))
            && let Some((_, script)) = self.scripted.remove(place)
        {
            return script;
        }
        if method != Method::POST {
            return Script::new().status(405);
        }
        let judged = match path {
            "/services/collector" | "/services/collector/event" | "/services/collector/event/1.0" => {
                self.events(headers, body)
            }
            "/services/collector/ack" => self.acks(headers, body),
            _ => {
                return answer(
                    404,
                    &json!({ "text": "The requested URL was not found on this server.", "code": 404 }),
                );
            }
        };
        judged.unwrap_or_else(|(status, code, text, number)| {
            self.refusals.push(text.to_owned());
            refusal(status, code, text, number)
        })
    }

    fn events(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Script, Refusal> {
        authorized(headers)?;
        let channel = match self.indexing {
            Some(_) => Some(channel(headers)?),
            None => None,
        };
        let body = match plain(headers, body, MAX_CONTENT) {
            Ok(body) => body,
            Err(Unreadable::TooLarge) => {
                return Ok(Script::new().status(413).bytes("Request entity too large"));
            }
            Err(_) => return Err((400, 6, "Invalid data format", Some(0))),
        };
        let events = judge(&body)?;
        for event in &events {
            let id = event["event"]["id"].as_str().or_else(|| event["fields"]["event_id"].as_str());
            *self.counts.entry(id.unwrap_or("without an id").to_owned()).or_default() += 1;
        }
        self.accepted.extend(events);
        let mut success = json!({ "text": "Success", "code": 0 });
        if let (Some(channel), Some(in_vain)) = (channel, self.indexing) {
            let channel = self.channels.entry(channel).or_default();
            success["ackId"] = json!(channel.next);
            channel.open.insert(channel.next, in_vain);
            channel.next += 1;
        }
        Ok(answer(200, &success))
    }

    fn acks(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Script, Refusal> {
        authorized(headers)?;
        if self.indexing.is_none() {
            return Err((400, 14, "ACK is disabled", None));
        }
        let channel = self.channels.entry(channel(headers)?).or_default();
        let question: Value =
            serde_json::from_slice(body).map_err(|_| (400, 6, "Invalid data format", None))?;
        let asked = question["acks"].as_array().ok_or((400, 6, "Invalid data format", None))?;
        let mut statuses = Map::new();
        for id in asked {
            let id = id.as_u64().ok_or((400, 6, "Invalid data format", None))?;
            let left = channel.open.get(&id).copied();
            match left {
                // Told once, and forgotten.
                Some(0) => drop(channel.open.remove(&id)),
                Some(left) => drop(channel.open.insert(id, left - 1)),
                None => {}
            }
            statuses.insert(id.to_string(), json!(left == Some(0)));
        }
        Ok(answer(200, &json!({ "acks": statuses })))
    }
}

/// An answer with a code.
pub fn refusal(status: u16, code: u16, text: &str, number: Option<usize>) -> Script {
    let mut body = json!({ "text": text, "code": code });
    if let Some(number) = number {
        body["invalid-event-number"] = json!(number);
    }
    answer(status, &body)
}

fn answer(status: u16, body: &Value) -> Script {
    Script::new()
        .status(status)
        .header("content-type", "application/json; charset=UTF-8")
        .bytes(body.to_string())
}

fn authorized(headers: &HeaderMap) -> Result<(), Refusal> {
    match header(headers, "authorization").split_once(' ') {
        _ if !headers.contains_key("authorization") => Err((401, 2, "Token is required", None)),
        Some(("Splunk", TOKEN)) => Ok(()),
        Some(("Splunk", _)) => Err((403, 4, "Invalid token", None)),
        _ => Err((401, 3, "Invalid authorization", None)),
    }
}

fn channel(headers: &HeaderMap) -> Result<String, Refusal> {
    let channel = header(headers, "x-splunk-request-channel");
    let groups: Vec<usize> = channel.split('-').map(str::len).collect();
    let is_guid =
        groups == [8, 4, 4, 4, 12] && channel.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit());
    match channel {
        "" => Err((400, 10, "Data channel is missing", None)),
        _ if !is_guid => Err((400, 11, "Invalid data channel", None)),
        channel => Ok(channel.to_owned()),
    }
}

/// The events of a body: JSON objects one after the other.
fn judge(body: &[u8]) -> Result<Vec<Value>, Refusal> {
    let mut events = Vec::new();
    for (number, event) in serde_json::Deserializer::from_slice(body).into_iter::<Value>().enumerate() {
        let no = |code: u16, text: &'static str| Err((400, code, text, Some(number)));
        let Ok(event @ Value::Object(_)) = event else { return no(6, "Invalid data format") };
        match &event["event"] {
            Value::Null if event.get("event").is_none() => return no(12, "Event field is required"),
            Value::Null => return no(13, "Event field cannot be blank"),
            Value::String(text) if text.trim().is_empty() => return no(13, "Event field cannot be blank"),
            _ => {}
        }
        if !is_flat(&event["fields"]) || !matches!(event["time"], Value::Null | Value::Number(_)) {
            return no(15, "Error in handling indexed fields");
        }
        if event["index"] == FOREIGN_INDEX {
            return no(7, "Incorrect index");
        }
        events.push(event);
    }
    if events.is_empty() { Err((400, 5, "No data", None)) } else { Ok(events) }
}

/// Indexed fields are texts, or lists of texts.
fn is_flat(fields: &Value) -> bool {
    let is_text_list = |list: &Vec<Value>| list.iter().all(Value::is_string);
    match fields {
        Value::Null => true,
        Value::Object(fields) => {
            fields.values().all(|field| field.is_string() || field.as_array().is_some_and(is_text_list))
        }
        _ => false,
    }
}
