//! A double of an OpenAI-compatible server: `/v1/chat/completions`, `/v1/embeddings`, `/v1/models`.
//!
//! What it answers depends on the model that is asked for. Tests say so with [`OpenAi::on`]; a model that
//! nobody spoke of echoes the last message.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::watch;

mod answer;
mod chat;
mod embeddings;

pub use answer::{Answer, ErrorBody, Reply, ToolCall};
pub use chat::chunk;
pub use embeddings::vector;

use super::script::{Ended, Ending, Script};
use super::server::{Body, Server};

/// The key that it takes.
pub const KEY: &str = "sk-double-0123456789abcdef";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The connection it came on, from 1.
    pub connection: u64,
    /// Without the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HeaderMap,
    /// The JSON body; null where there was none.
    pub body: Value,
    /// How the answer ended.
    pub ended: Ended,
}

impl Seen {
    /// The model that was asked for.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }
}

/// A running double.
pub struct OpenAi {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl OpenAi {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let serving = state.clone();
        let server = Server::start(move |request, connection| {
            let state = serving.clone();
            async move { state.serve(request, connection).await }
        });
        Ok(Self { server: server.await?, state })
    }

    /// What a client's `base_url` is set to.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.server.origin())
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What it answers to requests for this model, one after the other; the last one for ever.
    pub fn on(&self, model: &str, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.state.answers).insert(model.to_owned(), answers.into_iter().collect());
    }

    /// What it has seen, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// What it has seen for this model, oldest first.
    pub fn seen_for(&self, model: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.model() == model).collect()
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
    async fn serve(&self, request: Request<Incoming>, connection: u64) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let (ending, ended) = Ending::new();
        let path = head.uri.path().to_owned();
        let seen = Seen { connection, path: path.clone(), headers: head.headers, body: body.clone(), ended };
        let authorized =
            seen.headers.get("authorization").is_some_and(|value| *value == *format!("Bearer {KEY}"));
        let number = {
            let mut all = lock(&self.seen);
            all.push(seen);
            all.len()
        };
        self.count.send_replace(number);

        let script = if !authorized {
            ErrorBody::unauthorized().script()
        } else if bytes.is_empty() && path == "/v1/models" {
            embeddings::models()
        } else if body.is_null() {
            ErrorBody::new(400, "invalid_request_error", "We could not parse the JSON body of your request.")
                .script()
        } else {
            self.answer(&path, &body, number)
        };
        script.play(ending).await
    }

    fn answer(&self, path: &str, body: &Value, number: usize) -> Script {
        let model = body["model"].as_str().unwrap_or_default();
        let answer = match lock(&self.answers).get_mut(model) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        };
        match (answer.unwrap_or_else(|| Answer::Reply(Reply::echo())), path) {
            (Answer::Script(script), _) => script,
            (Answer::Error(error), _) => error.script(),
            (Answer::Reply(reply), "/v1/chat/completions") => chat::answer(&reply, body, number),
            (Answer::Reply(_), "/v1/embeddings") => embeddings::answer(body),
            (Answer::Reply(_), _) => {
                ErrorBody::new(404, "invalid_request_error", &format!("Invalid URL (POST {path})")).script()
            }
        }
    }
}

/// A test that failed while it held the lock has nothing half done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
