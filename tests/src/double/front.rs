//! What goes wrong on the way to any double: a server before it that plays a fault for each of the next requests, and
//! passes all others on as they are.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::script::{Ending, Script};
use super::server::Server;

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered here, and the double never hears of it.
    Instead(Script),
    /// The double has it, and this is said all the same.
    Otherwise(Script),
    /// The double has it; in the middle of its answer's body the connection breaks.
    Half,
    /// The double has it; in the middle of its answer's body nothing more comes.
    Stalled,
    /// The double has it; its answer's body comes byte by byte, so far apart.
    Drip(Duration),
}

/// A running front; dropping it ends it.
pub struct Front {
    server: Server,
    faults: Arc<Mutex<VecDeque<Fault>>>,
}

impl Front {
    /// Starts it before a double.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn before(double: SocketAddr) -> Result<Self> {
        let faults: Arc<Mutex<VecDeque<Fault>>> = Arc::default();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let coming = faults.clone();
        let server = Server::start(move |request: Request<Incoming>, _| {
            let (client, coming) = (client.clone(), coming.clone());
            async move {
                let (mut head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let fault = coming.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                if let Some(Fault::Instead(script)) = fault {
                    return script.play(Ending::new().0).await;
                }
                let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
                head.uri = format!("http://{double}{path}").parse::<Uri>().map_err(io::Error::other)?;
                head.headers.remove(header::HOST);
                let request = Request::from_parts(head, Full::new(body));
                let answer = client.request(request).await.map_err(io::Error::other)?;
                changed(fault, whole(answer).await?).play(Ending::new().0).await
            }
        });
        Ok(Self { server: server.await?, faults })
    }

    /// What becomes of the next requests.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with(|coming| coming.extend(faults));
    }

    /// Faults that no request has met yet.
    pub fn unmet(&self) -> usize {
        self.with(|coming| coming.len())
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<Fault>) -> T) -> T {
        look(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An answer as the double gave it.
struct Whole {
    head: Script,
    body: Bytes,
}

async fn whole(answer: Response<Incoming>) -> io::Result<Whole> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let kept = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::RETRY_AFTER];
    let kept = kept.iter().filter_map(|name| Some((name, head.headers.get(name)?.to_str().ok()?)));
    let script = Script::new().status(head.status.as_u16());
    Ok(Whole { head: kept.fold(script, |script, (name, value)| script.header(name.as_str(), value)), body })
}

fn changed(fault: Option<Fault>, Whole { head, body }: Whole) -> Script {
    let half = |head: Script, body: Bytes| {
        let length = body.len().max(2);
        head.header("content-length", &length.to_string()).bytes(body.slice(..body.len() / 2))
    };
    match fault {
        Some(Fault::Instead(script) | Fault::Otherwise(script)) => script,
        Some(Fault::Half) => half(head, body).broken(),
        Some(Fault::Stalled) => half(head, body).silence(),
        Some(Fault::Drip(every)) => head.drip(body, every),
        None => head.bytes(body),
    }
}
