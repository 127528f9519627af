//! The body of an answer, read as it comes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::connection::Connection;
use super::error::{EgressError, EgressErrorKind};
use super::pool::{OriginPool, Pool};

/// How long, and for how many bytes, a connection is worth waiting for once its answer is not.
const DRAIN_TIME: Duration = Duration::from_millis(50);
const DRAIN_BYTES: u64 = 64 << 10;

/// The body of an answer. Read to its end it gives its connection back; dropped before, it closes it at once.
#[derive(Debug)]
pub struct EgressBody(Kind);

#[derive(Debug)]
enum Kind {
    Received(ReceivedBody),
    /// From a tape.
    Played(VecDeque<Result<Bytes, EgressError>>),
}

impl EgressBody {
    pub(super) fn received(incoming: Incoming, source: Source) -> Result<Self, EgressError> {
        ReceivedBody::new(incoming, source).map(|body| Self(Kind::Received(body)))
    }

    pub(super) fn played(pieces: impl IntoIterator<Item = Result<Bytes, EgressError>>) -> Self {
        Self(Kind::Played(pieces.into_iter().collect()))
    }

    /// The next piece; none at the end and after an error.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, EgressError>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// [`EgressBody::chunk`], for those who poll.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        match &mut self.0 {
            Kind::Received(body) => body.poll_chunk(cx),
            Kind::Played(pieces) => Poll::Ready(pieces.pop_front()),
        }
    }

    /// For a reader that has all it wants: reads what little may be left, so that the connection can be
    /// used again, and closes it when that is more than 64 KiB or takes longer than 50 ms.
    pub fn drain(self) {
        if let Kind::Received(body) = self.0 {
            body.drain();
        }
    }
}

/// A body on its connection.
struct ReceivedBody {
    incoming: Incoming,
    /// None once nothing more will come.
    connection: Option<Box<Connection>>,
    origin: Arc<OriginPool>,
    pool: Arc<Pool>,
    timer: Pin<Box<Sleep>>,
    gap: Duration,
    /// Since when the reader waits, while it does. What the reader itself takes is not the other side's.
    waiting_since: Option<Instant>,
    limit: u64,
    received: u64,
}

/// What a body needs beside its bytes.
pub(super) struct Source {
    pub(super) connection: Box<Connection>,
    pub(super) origin: Arc<OriginPool>,
    pub(super) pool: Arc<Pool>,
    /// Used again for the gaps.
    pub(super) timer: Pin<Box<Sleep>>,
    pub(super) gap: Duration,
    pub(super) limit: u64,
}

impl ReceivedBody {
    fn new(incoming: Incoming, source: Source) -> Result<Self, EgressError> {
        let Source { connection, origin, pool, timer, gap, limit } = source;
        let connection = Some(connection);
        let mut body =
            Self { incoming, connection, origin, pool, timer, gap, waiting_since: None, limit, received: 0 };
        if body.incoming.size_hint().lower() > limit {
            return Err(body.fail(too_large(limit)));
        }
        if body.incoming.is_end_stream() {
            body.finish();
        }
        Ok(body)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            let frame = match connection.poll(cx, |cx| Pin::new(&mut self.incoming).poll_frame(cx)) {
                Poll::Ready(Some(frame)) => frame,
                Poll::Ready(None) => {
                    let message =
                        format!("{} closed the connection in the middle of its answer", self.origin.origin);
                    return Poll::Ready(Some(Err(
                        self.fail(EgressError::new(EgressErrorKind::Reset, message))
                    )));
                }
                Poll::Pending => return self.poll_gap(cx),
            };
            self.waiting_since = None;
            match frame {
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    let error = EgressError::of_body(&error, &self.origin.origin);
                    return Poll::Ready(Some(Err(self.fail(error))));
                }
                // Trailers are nobody's.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(self.count(data))),
                    _ => {}
                },
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, EgressError> {
        self.received += data.len() as u64;
        if self.received > self.limit {
            return Err(self.fail(too_large(self.limit)));
        }
        if self.incoming.is_end_stream() {
            self.finish();
        }
        Ok(data)
    }

    fn poll_gap(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + self.gap;
        // The timer is moved only when it would fire too late or has fired too early: mostly never.
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= deadline {
                let gap = self.gap.as_millis();
                let message = format!(
                    "{} sent nothing for {gap} ms in the middle of its answer (egress.gap_timeout)",
                    self.origin.origin
                );
                return Poll::Ready(Some(
                    Err(self.fail(EgressError::new(EgressErrorKind::Timeout, message))),
                ));
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(&self.origin, connection);
        }
    }

    fn fail(&mut self, error: EgressError) -> EgressError {
        self.connection = None;
        self.origin.counters.failures.add(1);
        error
    }

    fn drain(mut self) {
        self.limit = self.limit.min(self.received + DRAIN_BYTES);
        // Mostly the end is there already.
        if self.poll_rest(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(async move {
                let _ = tokio::time::timeout(DRAIN_TIME, poll_fn(|cx| self.poll_rest(cx))).await;
            });
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.poll_chunk(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for ReceivedBody {
    fn drop(&mut self) {
        self.origin.counters.bytes_received.add(self.received);
    }
}

impl std::fmt::Debug for ReceivedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceivedBody({}, {} bytes)", self.origin.origin, self.received)
    }
}

fn too_large(limit: u64) -> EgressError {
    EgressError::new(
        EgressErrorKind::TooLarge,
        format!("the answer has more than the {limit} bytes it may have"),
    )
}
