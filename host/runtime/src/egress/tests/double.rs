//! Servers of the tests' own: one that answers in HTTP and counts, one that does as a test says.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request as the server got it.
pub(super) type Got = http::Request<Bytes>;

/// Answers every request and keeps it.
pub(super) struct Double {
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicUsize>,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Double {
    pub(super) async fn start(
        answer: impl Fn(&Got) -> http::Response<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((super::loopback(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, got, answer) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(vec![])), Arc::new(answer));
        let (counter, keep) = (Arc::clone(&connections), Arc::clone(&got));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
                    async move {
                        let (head, body) = request.into_parts();
                        let got = Got::from_parts(head, body.collect().await.unwrap().to_bytes());
                        let response = answer(&got).map(|body| Full::new(Bytes::from(body)));
                        keep.lock().unwrap().push(got);
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { port, connections, got }
    }

    pub(super) async fn ok() -> Self {
        Self::start(|_| http::Response::new("fine".to_owned())).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", super::HOST, self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.got.lock().unwrap())
    }
}

/// Hands every connection to a function; returns the port.
pub(super) async fn raw<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind((super::loopback(), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Reads one request's head, writes `answer`, and reports when the other side closes the connection.
pub(super) async fn scripted(answer: &'static [u8]) -> (String, mpsc::UnboundedReceiver<&'static str>) {
    let (report, reports) = mpsc::unbounded_channel();
    let port = raw(move |mut stream| {
        let report = report.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(answer).await.unwrap();
            let _ = report.send("answered");
            wait_for_close(&mut stream).await;
            let _ = report.send("closed");
        }
    })
    .await;
    (format!("http://{}:{port}/", super::HOST), reports)
}

/// What a server reports next; a test that waits in vain fails.
pub(super) async fn next<T>(reports: &mut mpsc::UnboundedReceiver<T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(20), reports.recv()).await.expect("the server reports nothing")
}

pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(head).unwrap()
}

pub(super) async fn wait_for_close(stream: &mut TcpStream) {
    let mut rest = [0; 1024];
    while !matches!(stream.read(&mut rest).await, Ok(0) | Err(_)) {}
}
