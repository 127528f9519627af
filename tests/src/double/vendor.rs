//! What doubles of model providers have in common: answers by model, and what was seen.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;

use super::openai::Reply;
use super::script::{Ended, Ending, Script};
use super::server::{Body, Server};

/// What makes one provider another.
#[derive(Clone, Copy)]
pub(super) struct Api {
    /// The model that a request is for.
    pub(super) model: fn(&Seen) -> String,
    /// What is wrong with it: the answer, if anything is.
    pub(super) refuse: fn(&Seen) -> Option<Script>,
    /// The answer where nothing is wrong; the request is the so-manieth.
    pub(super) reply: fn(&Reply, &Seen, usize) -> Script,
}

/// One answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As the documents say, to a request that is as they say.
    Reply(Reply),
    /// These bytes, whatever was asked by whoever holds the key.
    Script(Script),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<Script> for Answer {
    fn from(script: Script) -> Self {
        Self::Script(script)
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// Empty where there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Bytes,
    /// The JSON of it; null where it is none.
    pub body: Value,
    /// How the answer ended.
    pub ended: Ended,
}

impl Seen {
    /// A header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A running double.
pub struct Vendor {
    server: Server,
    state: Arc<State>,
}

struct State {
    api: Api,
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl Vendor {
    pub(super) async fn start(api: Api) -> Result<Self> {
        let (answers, seen) = (Mutex::default(), Mutex::default());
        let state = Arc::new(State { api, answers, seen, count: watch::Sender::default() });
        let serving = state.clone();
        let server = Server::start(move |request, _| {
            let state = serving.clone();
            async move { state.serve(request).await }
        });
        Ok(Self { server: server.await?, state })
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What it answers to requests for this model, one after the other; the last one for ever. A model that
    /// nobody spoke of echoes the last message.
    pub fn on(&self, model: &str, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.state.answers).insert(model.to_owned(), answers.into_iter().collect());
    }

    /// What it has seen for this model, oldest first.
    pub fn seen_for(&self, model: &str) -> Vec<Seen> {
        let all = lock(&self.state.seen);
        all.iter().filter(|seen| (self.state.api.model)(seen) == model).cloned().collect()
    }

    /// Waits until it has seen so many requests for this model, and gives the last of them.
    pub async fn wait_for(&self, model: &str, count: usize) -> Seen {
        let mut counted = self.state.count.subscribe();
        loop {
            counted.borrow_and_update();
            if let Some(seen) = self.seen_for(model).into_iter().nth(count.saturating_sub(1)) {
                return seen;
            }
            // The sender lives as long as we do.
            let _ = counted.changed().await;
        }
    }
}

impl State {
    async fn serve(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (ending, ended) = Ending::new();
        let seen = Seen {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
            ended,
        };
        let number = {
            let mut all = lock(&self.seen);
            all.push(seen.clone());
            all.len()
        };
        self.count.send_replace(number);
        self.answer(&seen, number).play(ending).await
    }

    fn answer(&self, seen: &Seen, number: usize) -> Script {
        let refused = (self.api.refuse)(seen);
        let answer = match lock(&self.answers).get_mut(&(self.api.model)(seen)) {
            Some(answers) if answers.len() > 1 && refused.is_none() => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        };
        match (refused, answer) {
            (Some(refused), _) => refused,
            (None, Some(Answer::Script(script))) => script,
            (None, Some(Answer::Reply(reply))) => (self.api.reply)(&reply, seen, number),
            (None, None) => (self.api.reply)(&Reply::echo(), seen, number),
        }
    }
}

/// Events as a stream, at the reply's pace, in its pieces.
pub(super) fn paced(events: Vec<String>, reply: &Reply) -> Script {
    match (&reply.pace, reply.cut) {
        (Some(gate), _) => {
            events.into_iter().fold(Script::events(), |script, event| script.bytes(event).wait(gate))
        }
        (None, Some(every)) => Script::events().cut(events.concat(), every),
        (None, None) => events.into_iter().fold(Script::events(), Script::bytes),
    }
}

/// What is said, in a shape that a schema asks for: each property says it in its own type.
pub(super) fn by_schema(schema: &Value, said: &str) -> Value {
    let properties = schema["properties"].as_object();
    let members = properties.into_iter().flatten().map(|(name, schema)| {
        let value = match schema["type"].as_str() {
            Some("integer" | "number") => Value::from(words(said)),
            Some("boolean") => Value::from(true),
            Some("array") => Value::from(vec![said]),
            _ => Value::from(said),
        };
        (name.clone(), value)
    });
    Value::Object(members.collect())
}

/// What these providers count as tokens.
pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// A test that failed while it held the lock has nothing half done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
