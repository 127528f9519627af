//! The HTTP/1.1 server under every double. It counts connections and notices clients that leave.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What doubles answer with. An error in it breaks the connection.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A running server on a free port of the loopback address; dropping it ends it and its connections.
pub struct Server {
    address: SocketAddr,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counters {
    opened: AtomicU64,
    open: watch::Sender<u64>,
}

/// Open as long as it lives.
struct Connection(Arc<Counters>);

impl Connection {
    fn new(counters: &Arc<Counters>) -> (u64, Self) {
        let number = counters.opened.fetch_add(1, Ordering::Relaxed) + 1;
        counters.open.send_modify(|open| *open += 1);
        (number, Self(counters.clone()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Server {
    /// Starts serving. The handler is told the connection's number, from 1; its error breaks the connection.
    pub async fn start<H, F>(handler: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>, u64) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<Response<Body>>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let counting = counters.clone();
        let accepting = tokio::spawn(async move {
            // Dropped with this task, which ends the connections' tasks.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (number, open) = Connection::new(&counting);
                let handler = handler.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| handler(request, number));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                    drop(open);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, counters, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections accepted so far.
    pub fn connections_accepted(&self) -> u64 {
        self.counters.opened.load(Ordering::Relaxed)
    }

    /// Connections open now, to be watched.
    pub fn connections_open(&self) -> watch::Receiver<u64> {
        self.counters.open.subscribe()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
