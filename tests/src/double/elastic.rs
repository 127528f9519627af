//! A double of Elasticsearch's bulk API on data streams: `POST /<stream>/_bulk`. It holds requests to the
//! documents, refuses what does not fit a mapping, and counts how often each event's document was created.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::{Unreadable, header, plain};
use super::script::{Ending, Script};
use super::server::Server;

/// The API key that it takes, encoded.
pub const KEY: &str = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";

/// User and password that it takes.
pub const BASIC: &str = "hardpoint:correct horse battery";

/// The data stream that its credentials may not write to.
pub const FOREIGN_STREAM: &str = "logs-foreign-default";

/// Uncompressed bytes of a request: less than the real one takes, and what is advised.
const MAX_CONTENT: usize = 15_000_000;

/// A running node.
pub struct Elastic {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Documents by data stream and id.
    streams: BTreeMap<String, BTreeMap<String, Value>>,
    counts: BTreeMap<String, u32>,
    conflicts: u32,
    refusals: Vec<String>,
    scripted: VecDeque<Script>,
    /// What the next document with an id comes to.
    items: BTreeMap<String, VecDeque<Value>>,
    losing: u32,
    requests: u32,
}

impl Elastic {
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
                    state.take(head.uri.path(), &head.headers, &body)
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

    /// What the next document of this event comes to, in the place of a judgement.
    pub fn next_item(&self, id: &str, status: u16, kind: &str, reason: &str) {
        let item = failed(status, kind, reason);
        self.with(|state| state.items.entry(id.to_owned()).or_default().push_back(item));
    }

    /// Takes the next request in and lets its answer get lost.
    pub fn lose_next_answer(&self) {
        self.with(|state| state.losing += 1);
    }

    /// How often each event's document was created.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.counts.clone())
    }

    /// The documents of a data stream, by their ids.
    pub fn documents(&self, stream: &str) -> BTreeMap<String, Value> {
        self.with(|state| state.streams.get(stream).cloned().unwrap_or_default())
    }

    /// Documents that were there already.
    pub fn conflicts(&self) -> u32 {
        self.with(|state| state.conflicts)
    }

    /// Why requests and documents were refused.
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
        self.requests += 1;
        if let Some(script) = self.scripted.pop_front() {
            return script;
        }
        let judged = judge(path, headers, body);
        let (stream, documents) = match judged {
            Ok(judged) => judged,
            Err((status, kind, reason)) => {
                self.refusals.push(reason.to_owned());
                return error(status, kind, reason);
            }
        };
        let mut items = Vec::new();
        for (id, document) in documents {
            let item = self.create(stream, id, document);
            items.push(json!({ "create": item }));
        }
        if self.losing > 0 {
            self.losing -= 1;
            return Script::new().broken();
        }
        let is_error = items.iter().any(|item| item["create"].get("error").is_some());
        answer(200, &json!({ "errors": is_error, "items": items }))
    }

    fn create(&mut self, stream: &str, id: Option<String>, document: Value) -> Value {
        let event = document["event"]["id"].as_str().unwrap_or("without an id").to_owned();
        if let Some(item) = self.items.get_mut(&event).and_then(VecDeque::pop_front) {
            return item;
        }
        if stream == FOREIGN_STREAM {
            return failed(403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized");
        }
        if !stream.starts_with("logs-") {
            return failed(404, "index_not_found_exception", &format!("no such index [{stream}]"));
        }
        if let Some(reason) = misfit(&document) {
            self.refusals.push(reason.clone());
            return failed(400, "document_parsing_exception", &reason);
        }
        let documents = self.streams.entry(stream.to_owned()).or_default();
        let id = id.unwrap_or_else(|| format!("generated-{}", documents.len()));
        if documents.contains_key(&id) {
            self.conflicts += 1;
            let reason = format!("[{id}]: version conflict, document already exists (current version [1])");
            return failed(409, "version_conflict_engine_exception", &reason);
        }
        documents.insert(id, document);
        *self.counts.entry(event).or_default() += 1;
        json!({ "status": 201 })
    }
}

/// An error of a whole request.
pub fn error(status: u16, kind: &str, reason: &str) -> Script {
    let cause = json!({ "type": kind, "reason": reason });
    let error = json!({ "root_cause": [cause], "type": kind, "reason": reason });
    answer(status, &json!({ "error": error, "status": status }))
}

fn answer(status: u16, body: &Value) -> Script {
    Script::new().status(status).header("content-type", "application/json").bytes(body.to_string())
}

fn failed(status: u16, kind: &str, reason: &str) -> Value {
    json!({ "status": status, "error": { "type": kind, "reason": reason } })
}

/// A refusal of a whole request.
type Refusal = (u16, &'static str, &'static str);

/// With their ids, where they have one.
type Documents = Vec<(Option<String>, Value)>;

/// The data stream and the documents.
fn judge<'a>(path: &'a str, headers: &HeaderMap, body: &[u8]) -> Result<(&'a str, Documents), Refusal> {
    let Some(stream) = path.strip_prefix('/').and_then(|path| path.strip_suffix("/_bulk")) else {
        return Err((405, "method_not_allowed_exception", "Incorrect HTTP method for uri"));
    };
    let credentials = header(headers, "authorization");
    let basic = format!("Basic {}", STANDARD.encode(BASIC));
    if credentials != format!("ApiKey {KEY}") && credentials != basic {
        return Err((401, "security_exception", "unable to authenticate with provided credentials"));
    }
    if header(headers, "content-type") != "application/x-ndjson" {
        return Err((406, "media_type_header_exception", "Content-Type header is not supported"));
    }
    let body = plain(headers, body, MAX_CONTENT).map_err(|unreadable| match unreadable {
        Unreadable::TooLarge => (413, "content_too_long_exception", "entity content is too long"),
        Unreadable::Encoding | Unreadable::Broken => (400, "parse_exception", "the body cannot be read"),
    })?;
    let malformed = (400, "illegal_argument_exception", "Malformed action/metadata line");
    let text = std::str::from_utf8(&body).map_err(|_| malformed)?;
    if !text.ends_with('\n') {
        return Err((
            400,
            "illegal_argument_exception",
            "The bulk request must be terminated by a newline [\\n]",
        ));
    }
    let mut lines = text.lines();
    let mut documents = Vec::new();
    while let Some(action) = lines.next() {
        let action: Value = serde_json::from_str(action).map_err(|_| malformed)?;
        let Some(meta) = action.get("create") else {
            return Err((
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed",
            ));
        };
        let document = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or(malformed)?;
        let id = meta["_id"].as_str().map(str::to_owned);
        if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 512) {
            return Err((400, "action_request_validation_exception", "id is empty or too long"));
        }
        documents.push((id, document));
    }
    Ok((stream, documents))
}

/// Why a document does not fit the mappings of `logs-*`.
fn misfit(document: &Value) -> Option<String> {
    let time = document["@timestamp"].as_str().unwrap_or_default();
    if time.len() != "2023-11-14T22:13:20.123Z".len() || !time.ends_with('Z') {
        return Some("data stream timestamp field [@timestamp] is missing".to_owned());
    }
    if document["source"]
        .get("ip")
        .is_some_and(|ip| ip.as_str().is_none_or(|ip| ip.parse::<IpAddr>().is_err()))
    {
        return Some("failed to parse field [source.ip] of type [ip]".to_owned());
    }
    let texts =
        ["/message", "/event/id", "/event/action", "/event/original", "/user/id", "/hardpoint/target/id"];
    let is_odd = |path: &&str| document.pointer(path).is_some_and(|value| !value.is_string());
    texts.into_iter().find(is_odd).map(|path| format!("failed to parse field [{path}]"))
}
