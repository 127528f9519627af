//! Many that change something at once, each its own workspace, over a connection of its own: as fast as they are
//! answered, or at a fixed rate.

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
use tokio::time::{Instant, sleep_until};

/// How many write at once.
pub const WRITERS: usize = 64;

/// Writers and what they change.
#[derive(Clone)]
pub struct Writers {
    pub address: SocketAddr,
    pub key: String,
    /// Of a workspace for each writer.
    pub paths: Vec<String>,
}

/// What was accepted.
pub struct Accepted {
    pub began: Instant,
    pub took: Duration,
    pub changes: u64,
}

/// Whose turn it is.
struct Turns {
    taken: AtomicU64,
    changes: u64,
    began: Instant,
    /// Between two changes of a fixed rate.
    gap: Option<Duration>,
}

impl Writers {
    /// So many changes, all accepted: as fast as they are answered, or so many a second.
    ///
    /// # Errors
    /// A connection fails, or a change is not accepted.
    pub async fn change(&self, changes: u64, rate: Option<u32>) -> Result<Accepted> {
        let began = Instant::now();
        let gap = rate.map(|rate| Duration::from_secs(1) / rate);
        let turns = Arc::new(Turns { taken: AtomicU64::new(0), changes, began, gap });
        let work = |path: &String| tokio::spawn(self.clone().work(path.clone(), Arc::clone(&turns)));
        let all: Vec<_> = self.paths.iter().map(work).collect();
        for one in all {
            one.await??;
        }
        Ok(Accepted { began, took: began.elapsed(), changes })
    }

    async fn work(self, path: String, turns: Arc<Turns>) -> Result<()> {
        let socket = TcpStream::connect(self.address).await.context("connect")?;
        socket.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        while let Some(turn) = turns.next().await {
            sender.ready().await?;
            let answer = sender.send_request(self.request(&path, turn)?).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }

    fn request(&self, path: &str, turn: u64) -> Result<Request<Full<Bytes>>> {
        let request = Request::put(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.key));
        Ok(request.body(Full::from(format!("{{\"description\": \"as of turn {turn}\"}}")))?)
    }
}

impl Turns {
    /// The next one, when it is due; none after the last.
    async fn next(&self) -> Option<u64> {
        let turn = self.taken.fetch_add(1, Relaxed);
        if turn >= self.changes {
            return None;
        }
        if let Some(gap) = self.gap {
            sleep_until(self.began + gap.mul_f64(turn as f64)).await;
        }
        Some(turn)
    }
}
