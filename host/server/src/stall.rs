//! Clients that stand still: a body that stops coming, an answer that nobody takes. Either holds a
//! connection, and what stands behind it, for as long as it is let.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A time that runs only while somebody is waited for.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    /// Made when it is first needed: most connections never wait.
    timer: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, is_running: false }
    }

    /// Something moved.
    fn stop(&mut self) {
        self.is_running = false;
    }

    /// Nothing moved; ready when that has been so for too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        if !self.is_running {
            self.is_running = true;
            timer.as_mut().reset(Instant::now() + self.limit);
        }
        timer.as_mut().poll(context)
    }
}

/// A connection whose writes fail when the client takes nothing for too long.
#[derive(Debug)]
pub struct Stream {
    inner: TcpStream,
    patience: Patience,
}

impl Stream {
    /// Over `inner`, with this patience.
    pub fn new(inner: TcpStream, limit: Duration) -> Self {
        Self { inner, patience: Patience::new(limit) }
    }

    /// The connection itself.
    pub fn into_inner(self) -> TcpStream {
        self.inner
    }

    fn judge<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.patience.stop();
            return polled;
        }
        ready!(self.patience.poll(context));
        let message = format!("the client took nothing for {} s", self.patience.limit.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.judge(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// What a body that stopped coming ends with.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nothing of the request's body came for {} s", .0.as_secs())]
pub struct Stalled(pub Duration);

/// The body of a request, which fails when nothing of it comes for too long.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    patience: Patience,
}

impl RequestBody {
    /// Over `inner`, with this patience.
    pub fn new(inner: Incoming, limit: Duration) -> Self {
        Self { inner, patience: Patience::new(limit) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.patience.stop();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.patience.poll(context));
        Poll::Ready(Some(Err(Stalled(self.patience.limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
