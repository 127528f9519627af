//! A double of any endpoint that collects events as JSON. It is told what it wants, holds requests to it, and
//! counts the events it accepted, by id.

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

/// What requests must look like.
#[derive(Clone, Debug)]
pub struct Wants {
    /// In capitals.
    pub method: &'static str,
    /// Path and query.
    pub target: &'static str,
    /// Headers, by name, with their values.
    pub headers: Vec<(&'static str, String)>,
    /// How events stand in a body.
    pub shape: Shape,
    /// A member that the object, or else each event, must have.
    pub member: Option<(&'static str, String)>,
    /// Whether bodies must be compressed.
    pub gzip: bool,
    /// The most events of a request.
    pub max_events: usize,
    /// The most bytes of a body, uncompressed.
    pub max_bytes: usize,
}

/// How events stand in a body.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// In an array.
    Array,
    /// On a line each.
    Lines,
    /// Alone.
    Event,
    /// In an array under this name of an object.
    Object(&'static str),
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            method: "POST",
            target: "/in",
            headers: Vec::new(),
            shape: Shape::Array,
            member: None,
            gzip: false,
            max_events: usize::MAX,
            max_bytes: 10 << 20,
        }
    }
}

/// A running collector.
pub struct Collector {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    wants: Wants,
    accepted: Vec<Value>,
    counts: BTreeMap<String, u32>,
    refusals: Vec<String>,
    scripted: VecDeque<Script>,
    requests: u32,
}

impl Collector {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start(wants: Wants) -> Result<Self> {
        let state = Arc::new(Mutex::new(State { wants, ..State::default() }));
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
                        None => state.take(head.method.as_str(), &head.uri.to_string(), &head.headers, &body),
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

    /// How often each event id was accepted.
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.with(|state| state.counts.clone())
    }

    /// The events that were accepted, in order.
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
    fn take(&mut self, method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Script {
        match judge(&self.wants, method, target, headers, body) {
            Ok(events) => {
                for event in &events {
                    let id = event["id"].as_str().unwrap_or_default().to_owned();
                    *self.counts.entry(id).or_default() += 1;
                }
                self.accepted.extend(events);
                Script::new().status(200).bytes("{}")
            }
            Err((status, why)) => {
                self.refusals.push(why.clone());
                let body = json!({ "error": why }).to_string();
                Script::new().status(status).header("content-type", "application/json").bytes(body)
            }
        }
    }
}

fn judge(
    wants: &Wants,
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Value>, (u16, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let no = |status: u16, why: String| Err((status, why));
    if target != wants.target {
        return no(404, format!("nothing is at {target}"));
    }
    if method != wants.method {
        return no(405, format!("{method} is not allowed"));
    }
    // A value is not shown: it may be a credential.
    if let Some((name, _)) = wants.headers.iter().find(|(name, value)| header(name) != value) {
        return no(401, format!("the header {name} is not right"));
    }
    if !headers.contains_key("content-type") {
        return no(415, "no content-type".to_owned());
    }
    let mut plain = Vec::new();
    let most = wants.max_bytes as u64 + 1;
    let read = match (header("content-encoding"), wants.gzip) {
        ("gzip", true) => MultiGzDecoder::new(body).take(most).read_to_end(&mut plain),
        ("", false) => body.take(most).read_to_end(&mut plain),
        (other, _) => return no(415, format!("the content-encoding `{other}` is not wanted")),
    };
    if read.is_err() {
        return no(400, "the body is no gzip".to_owned());
    }
    if plain.len() > wants.max_bytes {
        return no(413, "the body is too large".to_owned());
    }
    let events = events(wants, &plain).map_err(|why| (400, why))?;
    if events.len() > wants.max_events {
        return no(413, format!("{} events are too many", events.len()));
    }
    if events.iter().any(|event| event["refuse"] == true) {
        return no(422, "an event that is not wanted".to_owned());
    }
    Ok(events)
}

/// The events of a body, with what was wanted beside them checked and taken out.
fn events(wants: &Wants, body: &[u8]) -> Result<Vec<Value>, String> {
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).map_err(|error| error.to_string());
    let mut events = match wants.shape {
        Shape::Array => read(body)?.as_array().ok_or("no array")?.clone(),
        Shape::Event => vec![read(body)?],
        Shape::Object(name) => {
            let mut object = read(body)?;
            check(&mut object, wants)?;
            object[name].as_array().ok_or("no array in the object")?.clone()
        }
        Shape::Lines => {
            let lines = body.strip_suffix(b"\n").ok_or("the last line does not end")?;
            lines.split(|byte| *byte == b'\n').map(read).collect::<Result<_, _>>()?
        }
    };
    if !matches!(wants.shape, Shape::Object(_)) {
        events.iter_mut().try_for_each(|event| check(event, wants))?;
    }
    match events.iter().all(Value::is_object) {
        true => Ok(events),
        false => Err("an event is no object".to_owned()),
    }
}

fn check(object: &mut Value, wants: &Wants) -> Result<(), String> {
    let Some((name, value)) = &wants.member else { return Ok(()) };
    match object.as_object_mut().and_then(|members| members.remove(*name)) {
        Some(Value::String(found)) if found == *value => Ok(()),
        _ => Err(format!("the member {name} is not right")),
    }
}
