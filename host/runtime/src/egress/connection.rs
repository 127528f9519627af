//! One HTTP/1 connection. It is driven by whoever waits for its answer, in the same task: no second task,
//! and no wake-up from one thread to another, stands between the socket and the sandbox.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use super::connect::Transport;
use super::error::{EgressError, EgressErrorKind};
use super::relay::Relay;

/// A request as it is sent: its body is in memory.
pub(super) type Outgoing = http::Request<Full<Bytes>>;

/// The head of an answer, and what of a body is read at once, have to fit.
const MAX_BUFFER: usize = 64 << 10;

/// Names change what they point to: no connection is used for ever.
const MAX_AGE: Duration = Duration::from_secs(600);

type Driver = http1::Connection<TokioIo<Transport>, Full<Bytes>>;

pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    relay: Arc<Relay>,
    /// The relay's other side.
    waker: Waker,
    is_over: bool,
    opened: Instant,
    /// Since when it has waited for a request.
    idle_since: Instant,
}

/// Why a request got no answer.
pub(super) enum Unanswered {
    /// Nothing of it was written: it may go over another connection.
    Unsent(Box<Outgoing>),
    Failed(EgressError),
}

impl Connection {
    pub(super) async fn new(transport: Transport) -> Result<Box<Self>, EgressError> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_BUFFER);
        let (sender, driver) =
            builder.handshake(TokioIo::new(transport)).await.map_err(EgressError::connect)?;
        let (now, (relay, waker)) = (Instant::now(), Relay::new());
        Ok(Box::new(Self { sender, driver, relay, waker, is_over: false, opened: now, idle_since: now }))
    }

    /// Moves bytes in both directions, and asks `look` whether they brought anything.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        self.relay.start(cx.waker());
        loop {
            drive(&mut self.driver, &mut self.is_over, &self.waker);
            // Nothing but driving the connection brings anything, so nobody else has to wake this task.
            if let Poll::Ready(found) = look(&mut Context::from_waker(Waker::noop())) {
                self.relay.stop();
                return Poll::Ready(Some(found));
            }
            if self.is_over {
                self.relay.stop();
                return Poll::Ready(None);
            }
            if !self.relay.must_repeat() {
                return Poll::Pending;
            }
        }
    }

    /// Whether the next request may be sent. Notices that the other side has closed.
    pub(super) fn is_ready(&mut self) -> bool {
        drive(&mut self.driver, &mut self.is_over, Waker::noop());
        !self.is_over && self.sender.is_ready()
    }

    pub(super) fn start_waiting(&mut self) {
        self.idle_since = Instant::now();
        // The task that used it may end; nothing of it is to be kept alive from here.
        self.relay.forget();
    }

    pub(super) fn is_fresh(&self, idle_timeout: Duration) -> bool {
        self.idle_since.elapsed() < idle_timeout && self.opened.elapsed() < MAX_AGE
    }

    /// Sends a request and waits for the head of its answer, until `timer` fires.
    pub(super) async fn send(
        &mut self,
        request: Outgoing,
        mut timer: Pin<&mut Sleep>,
        limit: Duration,
        origin: &str,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            let closed = || {
                EgressError::new(
                    EgressErrorKind::Reset,
                    format!("{origin} closed the connection before it answered"),
                )
            };
            match self.poll(cx, |cx| answer.as_mut().poll(cx)) {
                Poll::Ready(Some(answer)) => {
                    Poll::Ready(answer.map_err(|mut error| match error.take_message() {
                        Some(request) => Unanswered::Unsent(Box::new(request)),
                        None => Unanswered::Failed(EgressError::of_request(&error.into_error(), origin)),
                    }))
                }
                Poll::Ready(None) => Poll::Ready(Err(Unanswered::Failed(closed()))),
                Poll::Pending => timer.as_mut().poll(cx).map(|()| {
                    let limit = limit.as_millis();
                    let message =
                        format!("{origin} did not answer within {limit} ms (egress.first_byte_timeout)");
                    Err(Unanswered::Failed(EgressError::new(EgressErrorKind::Timeout, message)))
                }),
            }
        })
        .await
    }
}

fn drive(driver: &mut Driver, is_over: &mut bool, waker: &Waker) {
    // An error reaches whoever waits for the answer or the body in its own way.
    if !*is_over && Pin::new(driver).poll(&mut Context::from_waker(waker)).is_ready() {
        *is_over = true;
    }
}
