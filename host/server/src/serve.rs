//! Accepting connections, and letting them end in peace.
//!
//! hyper's HTTP/1 is used without a wrapper in between: the product speaks HTTP/1.1 to clients or to the
//! proxy before it, and every layer saved here is saved on each request.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower::util::MapRequest;

use crate::middleware::entry::Peer;
use crate::stall::{RequestBody, Stream};
use crate::state::stopped;

/// How long a client that was answered already may go on sending.
const LINGER: Duration = Duration::from_secs(5);
/// How much of that is read, and thrown away.
const LINGER_BYTES: u64 = 64 << 20;

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a client may neither send more of a body nor take more of an answer.
    pub stall_timeout: Duration,
    /// Connections at once; others wait to be accepted.
    pub most: usize,
    /// How long answers under way may go on after the signal to stop.
    pub shutdown_grace: Duration,
}

/// Serves until `stop` turns true, then finishes what is under way. Says how many connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Connections,
    mut stop: watch::Receiver<bool>,
) -> usize {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout);
    let http = Arc::new(http);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < settings.most => match accepted {
                Ok((stream, peer)) => {
                    // Without this, the pieces of a stream wait for the client's acknowledgements: 40 ms each.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY not set");
                    }
                    let stream = Stream::new(stream, settings.stall_timeout);
                    let (http, router, stop) = (http.clone(), router.clone(), stop.clone());
                    connections.spawn(connection(http, stream, peer, router, settings.stall_timeout, stop));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others will be closed in a moment.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.shutdown_grace, finish).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

async fn connection(
    http: Arc<http1::Builder>,
    stream: Stream,
    peer: SocketAddr,
    router: Router,
    stall_timeout: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let ip = peer.ip().to_canonical();
    let service: MapRequest<Router, _> =
        router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(ip));
            request.map(|body| axum::body::Body::new(RequestBody::new(body, stall_timeout)))
        });
    let mut serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut stopping = std::pin::pin!(stopped(&mut stop));
    let mut is_stopping = false;
    let ended = std::future::poll_fn(|context| {
        if !is_stopping && stopping.as_mut().poll(context).is_ready() {
            is_stopping = true;
            Pin::new(&mut serving).graceful_shutdown();
        }
        serving.poll_without_shutdown(context)
    });
    match ended.await {
        Ok(()) => linger(serving.into_parts().io.into_inner().into_inner(), is_stopping).await,
        // A client that leaves is no error of ours; its request is recorded as cancelled.
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// Ends a connection so that the last answer arrives. A client that was answered before its body was read
/// (too large, no credential) may still be sending, and closing at once would make its system throw away
/// what it received.
async fn linger(mut stream: TcpStream, is_stopping: bool) {
    if stream.shutdown().await.is_err() || is_stopping {
        return;
    }
    let (mut unread, mut nowhere) = (stream.take(LINGER_BYTES), tokio::io::sink());
    let rest = tokio::io::copy(&mut unread, &mut nowhere);
    // Whatever comes of it, the connection is over.
    let _ = tokio::time::timeout(LINGER, rest).await;
}
