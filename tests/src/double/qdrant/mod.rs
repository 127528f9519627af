//! A double of Qdrant's REST API (1.11): collections, payload indexes, upserting, deleting and querying points. It keeps
//! what it is given and searches exactly, by the cosine; like a cluster in strict mode it refuses to filter by what has
//! no index, where it is told to.

mod collection;
mod filter;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::body::header;
use super::script::{Ending, Script};
use super::server::Server;
use collection::Collection;

/// The API key that it takes.
pub const KEY: &str = "qdrant-key-which-nobody-else-may-see";

/// Bytes of a request (`service.max_request_size_mb`).
const MAX_REQUEST: usize = 32 << 20;

/// A running node.
pub struct Qdrant {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    collections: BTreeMap<String, Collection>,
    scripted: VecDeque<Script>,
    /// Method and path of each request.
    requests: Vec<String>,
    max_request: usize,
    is_strict: bool,
    operations: u64,
}

/// What is answered in the place of a result.
type Refusal = (u16, String);

impl Qdrant {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            collections: BTreeMap::new(),
            scripted: VecDeque::new(),
            requests: Vec::new(),
            max_request: MAX_REQUEST,
            is_strict: false,
            operations: 0,
        }));
        let serving = state.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let state = serving.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
                let script = {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.take(&head.method, path, &head.headers, &body)
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

    /// What the next requests are answered with, without anything being done.
    pub fn next(&self, scripts: impl IntoIterator<Item = Script>) {
        self.with(|state| state.scripted.extend(scripts));
    }

    /// Takes requests of at most so many bytes from now on.
    pub fn take_at_most(&self, bytes: usize) {
        self.with(|state| state.max_request = bytes);
    }

    /// Refuses filters by what has no index from now on.
    pub fn be_strict(&self) {
        self.with(|state| state.is_strict = true);
    }

    /// The payloads of a collection's points, by their ids.
    pub fn points(&self, collection: &str) -> BTreeMap<String, Value> {
        self.with(|state| state.collections.get(collection).map(Collection::payloads).unwrap_or_default())
    }

    /// The vector of a point as it was given.
    pub fn vector(&self, collection: &str, id: &str) -> Option<Vec<f64>> {
        self.with(|state| state.collections.get(collection)?.vector(id))
    }

    /// The fields of a collection that have an index, with its kind.
    pub fn indexes(&self, collection: &str) -> BTreeMap<String, String> {
        self.with(|state| state.collections.get(collection).map(Collection::indexes).unwrap_or_default())
    }

    /// Method and path of each request since this was asked last.
    pub fn requests(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.requests))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn take(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        self.requests.push(format!("{method} {path}"));
        if let Some(script) = self.scripted.pop_front() {
            return script;
        }
        if header(headers, "api-key") != KEY {
            let words = "Must provide an API key or an Authorization bearer token";
            return Script::new().status(401).bytes(words);
        }
        match self.answered(method, path, headers, body) {
            Ok(result) => answer(200, &json!({ "result": result, "status": "ok", "time": 0.000_4 })),
            Err((404, words)) if words.is_empty() => Script::new().status(404),
            Err((status, words)) => error(status, &words),
        }
    }

    fn answered(
        &mut self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        if body.len() > self.max_request {
            let limit = self.max_request;
            let reason =
                format!("JSON payload ({} bytes) is larger than allowed (limit: {limit} bytes).", body.len());
            return Err((413, format!("Payload error: {reason}")));
        }
        let body = read(method, headers, body)?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let no_route = || (404, String::new());
        let rest = path.strip_prefix("/collections/").ok_or_else(no_route)?;
        let (name, action) = rest.split_once('/').unwrap_or((rest, ""));
        if let (&Method::PUT, "") = (method, action) {
            return self.create(name, &body);
        }
        let missing = || (404, format!("Not found: Collection `{name}` doesn't exist!"));
        let is_strict = self.is_strict;
        let collection = self.collections.get_mut(name).ok_or_else(missing)?;
        match (method, action) {
            (&Method::GET, "") => return Ok(collection.told()),
            (&Method::POST, "points/query") => return collection.query(&body, is_strict),
            (&Method::PUT, "index") => collection.index(&body)?,
            (&Method::PUT, "points") => collection.upsert(&body)?,
            (&Method::POST, "points/delete") => collection.delete(&body, is_strict)?,
            _ => return Err(no_route()),
        }
        self.operations += 1;
        let status = if query == "wait=true" { "completed" } else { "acknowledged" };
        Ok(json!({ "operation_id": self.operations, "status": status }))
    }

    fn create(&mut self, name: &str, body: &Value) -> Result<Value, Refusal> {
        if self.collections.contains_key(name) {
            return Err((409, format!("Wrong input: Collection `{name}` already exists!")));
        }
        self.collections.insert(name.to_owned(), Collection::new(&body["vectors"])?);
        Ok(json!(true))
    }
}

/// A body from JSON; none of a request that needs none.
fn read(method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    if method == Method::GET {
        return Ok(Value::Null);
    }
    if header(headers, "content-type") != "application/json" {
        return Err((400, "Content type error".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| (400, format!("Format error in JSON body: {error}")))
}

/// An error in Qdrant's words.
pub fn error(status: u16, words: &str) -> Script {
    answer(status, &json!({ "status": { "error": words }, "time": 0.0 }))
}

fn answer(status: u16, body: &Value) -> Script {
    Script::new().status(status).header("content-type", "application/json").bytes(body.to_string())
}

fn malformed(what: &str) -> Refusal {
    (400, format!("Format error in JSON body: {what}"))
}
