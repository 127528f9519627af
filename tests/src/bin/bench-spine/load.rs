//! Connections that each send one request after another and read every answer to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    path: &'static str,
    model: &'static str,
    key: Option<String>,
}

impl Target {
    /// The upstream itself.
    pub fn upstream(address: SocketAddr) -> Self {
        Self { address, path: "/v1/chat/completions", model: "bench", key: None }
    }

    /// The host in front of it.
    pub fn host(address: SocketAddr, key: String) -> Self {
        Self { address, path: "/api/v1/chat/completions", model: "bench", key: Some(key) }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Load {
    pub streamed: bool,
    pub connections: usize,
    pub requests: u64,
    pub target: Target,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    pub requests: u64,
    took: Duration,
    /// Ascending.
    latencies: Vec<Duration>,
}

impl Measured {
    /// In microseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (last as f64 * percent / 100.0).round() as usize;
        self.latencies.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

impl Load {
    /// A tenth of the load, not measured.
    pub async fn warm_up(&self) -> Result<()> {
        Self { requests: self.requests / 10 + 1, ..self.clone() }.run().await.map(drop)
    }

    pub async fn run(&self) -> Result<Measured> {
        let left = Arc::new(AtomicU64::new(self.requests));
        let began = Instant::now();
        let mut workers = Vec::new();
        for _ in 0..self.connections {
            workers.push(tokio::spawn(self.clone().work(Arc::clone(&left))));
        }
        let mut latencies = Vec::new();
        for worker in workers {
            latencies.extend(worker.await??);
        }
        let took = began.elapsed();
        latencies.sort_unstable();
        Ok(Measured { requests: latencies.len() as u64, took, latencies })
    }

    async fn work(self, left: Arc<AtomicU64>) -> Result<Vec<Duration>> {
        let socket = TcpStream::connect(self.target.address).await.context("connect")?;
        socket.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let body = self.body();
        let mut latencies = Vec::new();
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let request = self.request(body.clone())?;
            sender.ready().await?;
            let began = Instant::now();
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
            ensure!(!self.streamed || body.ends_with(b"data: [DONE]\n\n"), "a stream ended too soon");
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    fn body(&self) -> Bytes {
        let question = "Where does the tower stand, and what was it built for? Answer in one sentence.";
        let body = serde_json::json!({
            "model": self.target.model,
            "messages": [
                { "role": "system", "content": "You are a guide to the old town." },
                { "role": "user", "content": question },
            ],
            "stream": self.streamed,
        });
        body.to_string().into()
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.target.path)
            .header("host", self.target.address.to_string())
            .header("content-type", "application/json");
        if let Some(key) = &self.target.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        Ok(request.body(Full::new(body))?)
    }
}
