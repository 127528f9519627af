//! An HTTP sink: whoever is told events. It counts the ids that it sees (`webhook-id`) by path, and answers what the
//! test scripts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::watch;

use super::script::{Ending, Script};
use super::server::Server;

/// A running sink. What nobody scripted is answered with 204.
pub struct Sink {
    server: Server,
    state: Arc<State>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Names in lower case.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Received {
    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The id that makes it the same as others.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    seen: Mutex<BTreeMap<String, Vec<Received>>>,
    count: watch::Sender<u64>,
}

impl Sink {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let serving = state.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let state = serving.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let path = head.uri.path().to_owned();
                locked(&state.seen)
                    .entry(path.clone())
                    .or_default()
                    .push(Received { headers: head.headers, body });
                let script = state.next(&path);
                state.count.send_modify(|count| *count += 1);
                script.play(Ending::new().0).await
            }
        });
        Ok(Self { server: server.await?, state })
    }

    /// What it answers under this path, in turn; the last of them for ever.
    pub fn on(&self, path: &str, scripts: impl IntoIterator<Item = Script>) {
        locked(&self.state.scripts).insert(path.to_owned(), scripts.into_iter().collect());
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.origin())
    }

    /// What arrived under a path, oldest first.
    pub fn seen(&self, path: &str) -> Vec<Received> {
        locked(&self.state.seen).get(path).cloned().unwrap_or_default()
    }

    /// How often each id arrived under a path.
    pub fn ids(&self, path: &str) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for received in locked(&self.state.seen).get(path).into_iter().flatten() {
            *ids.entry(received.id().to_owned()).or_default() += 1;
        }
        ids
    }

    /// Waits until so many different ids arrived under a path.
    pub async fn wait_for(&self, path: &str, ids: usize) {
        let mut count = self.state.count.subscribe();
        while self.ids(path).len() < ids {
            if count.changed().await.is_err() {
                return;
            }
        }
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl State {
    fn next(&self, path: &str) -> Script {
        let mut scripts = locked(&self.scripts);
        let Some(of_path) = scripts.get_mut(path) else { return Script::new().status(204) };
        let next = if of_path.len() > 1 { of_path.pop_front() } else { of_path.front().cloned() };
        next.unwrap_or_else(|| Script::new().status(204))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
