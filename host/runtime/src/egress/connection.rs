//! One HTTP/1 connection. It is driven by whoever waits for its answer, in the same task: no second task,
//! and no wake-up from one thread to another, stands between the socket and the sandbox.

use std::future::Future;
use std::pin::{Pin, pin};
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

/// A request as it is sent: its body is in memory.
pub(super) type Outgoing = http::Request<Full<Bytes>>;

/// The head of an answer, and what of a body is read at once, have to fit.
const MAX_BUFFER: usize = 64 << 10;

/// Names change what they point to: no connection is used for ever.
const MAX_AGE: Duration = Duration::from_secs(600);

pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<Transport>, Full<Bytes>>,
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
        let now = Instant::now();
        Ok(Box::new(Self { sender, driver, is_over: false, opened: now, idle_since: now }))
    }

    /// Moves bytes in both directions; ready once there are none to move any more.
    pub(super) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error reaches whoever waits for the answer or the body in its own way.
        if !self.is_over && Pin::new(&mut self.driver).poll(cx).is_ready() {
            self.is_over = true;
        }
        if self.is_over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the next request may be sent. Notices that the other side has closed.
    pub(super) fn is_ready(&mut self) -> bool {
        self.poll_drive(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready()
    }

    pub(super) fn start_waiting(&mut self) {
        self.idle_since = Instant::now();
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
            let is_over = self.poll_drive(cx).is_ready();
            // Nothing but driving the connection brings an answer, so nobody else has to wake this task.
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(answer.map_err(|mut error| match error.take_message() {
                    Some(request) => Unanswered::Unsent(Box::new(request)),
                    None => Unanswered::Failed(EgressError::of_request(&error.into_error(), origin)),
                }));
            }
            if is_over {
                let message = format!("{origin} closed the connection before it answered");
                return Poll::Ready(Err(Unanswered::Failed(EgressError::new(
                    EgressErrorKind::Reset,
                    message,
                ))));
            }
            if timer.as_mut().poll(cx).is_ready() {
                let message = format!(
                    "{origin} did not answer within {} ms (egress.first_byte_timeout)",
                    limit.as_millis()
                );
                return Poll::Ready(Err(Unanswered::Failed(EgressError::new(
                    EgressErrorKind::Timeout,
                    message,
                ))));
            }
            Poll::Pending
        })
        .await
    }
}
