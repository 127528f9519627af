//! Load for benchmarks: connections that each send one request after another and read every answer to its end.

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

/// One measurement: the same request again and again.
#[derive(Clone, Debug)]
pub struct Load {
    /// Whom it is sent to.
    pub address: SocketAddr,
    /// Where a `POST` goes.
    pub path: String,
    /// Whose key, if anybody's.
    pub key: Option<String>,
    /// JSON.
    pub body: Bytes,
    /// What is answered; anything else ends the measurement.
    pub status: u16,
    /// What every answer ends with.
    pub end: &'static [u8],
    /// At once.
    pub connections: usize,
    /// Over all connections.
    pub requests: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    /// How many were answered.
    pub requests: u64,
    took: Duration,
    /// Ascending.
    latencies: Vec<Duration>,
}

impl Measured {
    /// A latency, in microseconds.
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
    ///
    /// # Errors
    /// As for [`Load::run`].
    pub async fn warm_up(&self) -> Result<()> {
        Self { requests: self.requests / 10 + 1, ..self.clone() }.run().await.map(drop)
    }

    /// All of it.
    ///
    /// # Errors
    /// A connection fails, or an answer is another than expected.
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
        let socket = TcpStream::connect(self.address).await.context("connect")?;
        socket.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let mut latencies = Vec::new();
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let request = self.request()?;
            sender.ready().await?;
            let began = Instant::now();
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status == self.status, "{status}: {}", String::from_utf8_lossy(&body));
            ensure!(body.ends_with(self.end), "an answer ended too soon");
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::post(&self.path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}
