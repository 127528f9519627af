//! Any HTTP server outside: each path answers what the test scripts.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::script::{Ended, Ending, Script};
use super::server::Server;

/// A running server; a path that nobody scripted is a 404.
pub struct Plain {
    server: Server,
    state: Arc<State>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// How the answer ended.
    pub ended: Ended,
}

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, Script>>,
    seen: Mutex<Vec<Arrived>>,
}

impl Plain {
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
                let (ending, ended) = Ending::new();
                let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
                let seen =
                    Arrived { method, target: head.uri.to_string(), headers: head.headers, body, ended };
                state.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                let script = state.scripts.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
                script.unwrap_or_else(|| Script::new().status(404)).play(ending).await
            }
        });
        Ok(Self { server: server.await?, state })
    }

    /// What it answers under this path.
    pub fn on(&self, path: &str, script: Script) {
        self.state.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), script);
    }

    /// What it has seen, oldest first.
    pub fn seen(&self) -> Vec<Arrived> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }
}
