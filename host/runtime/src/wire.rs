//! The requests of one exchange that are under way, and what is observed of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hardpoint_domain::grant::Permissions;

use crate::binding::Binding;
use crate::bindings::types::{self, HttpRequest, Observation};
use crate::convert;
use crate::egress::{EgressBody, EgressError, EgressResponse, SendOptions};
use crate::error::Fault;
use crate::secret::{SecretSet, StreamRedactor};
use crate::stats::origin;
use crate::tape::{SentRequest, Sound, Tape};

/// How long all pauses of one exchange may be together.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// A pause of nothing would be `again` by another name.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// Requests of one exchange, timers included.
pub(crate) struct Wire {
    binding: Arc<Binding>,
    secrets: Arc<SecretSet>,
    /// For which organisation.
    organization: Arc<str>,
    /// In the place of the binding's.
    permissions: Option<Arc<Permissions>>,
    flights: FuturesUnordered<BoxFuture<'static, Happening>>,
    requests_left: u32,
    wait_left: Duration,
}

/// What one flight came to, and what it needs to go on.
enum Happening {
    Head(u32, Result<EgressResponse, EgressError>),
    Body(u32, Box<Receiving>, Option<Result<Bytes, EgressError>>),
    TimeIsUp,
}

/// A body that is being read. What it says of secrets is taken out, across chunk borders.
struct Receiving {
    body: EgressBody,
    redactor: Option<StreamRedactor>,
}

/// What the wire has to say.
pub(crate) enum Seen {
    Observation(Observation),
    /// As an observation, with the kind of failure for the host's own use.
    Broken(types::TransportFailure),
    /// Nothing is under way.
    Idle,
}

impl Wire {
    pub(crate) fn new(binding: Arc<Binding>, secrets: Arc<SecretSet>, organization: &str) -> Self {
        let requests_left = binding.limits.http_calls;
        Self {
            binding,
            secrets,
            organization: organization.into(),
            permissions: None,
            flights: FuturesUnordered::new(),
            requests_left,
            wait_left: LONGEST_WAIT,
        }
    }

    /// Lets requests from now on do this, in the place of what the binding may do.
    pub(crate) fn permit(&mut self, permissions: Permissions) {
        self.permissions = Some(Arc::new(permissions));
    }

    /// Starts a request; its outcome, a refusal included, comes as an observation.
    ///
    /// # Errors
    /// A fault where it is one request too many: each under way costs the host memory that no limit of
    /// the guest's counts.
    pub(crate) fn send(&mut self, request: HttpRequest) -> Result<(), Fault> {
        let exchange = request.exchange;
        self.requests_left =
            self.requests_left.checked_sub(1).ok_or(Fault::Requests(self.binding.limits.http_calls))?;
        let (binding, secrets) = (Arc::clone(&self.binding), Arc::clone(&self.secrets));
        let organization = Arc::clone(&self.organization);
        let permissions = self.permissions.clone();
        self.flights.push(Box::pin(async move {
            let granted = binding.permissions();
            let egress = &binding.generation.host.egress;
            let request = convert::egress_request(request, binding.generation.manifest(), &secrets);
            if let Some(tape) = egress.tape() {
                tape.hear(exchange, Sound::Sent(&SentRequest::from(&request)));
            }
            let mut options = SendOptions::of(binding.holder()).organization(&organization);
            if permissions.is_some() {
                // These were chosen for this exchange, by somebody who is no operator.
                options = options.public_beyond(granted);
            }
            let permissions = permissions.as_deref().unwrap_or(granted);
            let url = request.url.clone();
            let answer = egress.send(request, permissions, secrets.by_name(), &options).await;
            binding.generation.shared.stats.sent(origin(&url), answer.is_ok());
            Happening::Head(exchange, answer)
        }));
        Ok(())
    }

    /// Starts a timer.
    ///
    /// # Errors
    /// A fault where the pauses of one exchange are longer together than a delivery may take.
    pub(crate) fn wait(&mut self, pause: Duration) -> Result<(), Fault> {
        let is_skipped = self.tape().is_some_and(|tape| tape.skips_pauses());
        let pause = if is_skipped { SHORTEST_WAIT } else { pause.max(SHORTEST_WAIT) };
        self.wait_left = self.wait_left.checked_sub(pause).ok_or(Fault::Wall(LONGEST_WAIT))?;
        self.flights.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Happening::TimeIsUp
        }));
        Ok(())
    }

    /// The next thing that happens.
    pub(crate) async fn observe(&mut self) -> Seen {
        loop {
            let Some(happening) = self.flights.next().await else { return Seen::Idle };
            if let Some(seen) = self.take(happening) {
                self.let_hear(&seen);
                return seen;
            }
        }
    }

    /// None where a piece of a body is held back until more of it is known.
    fn take(&mut self, happening: Happening) -> Option<Seen> {
        match happening {
            Happening::TimeIsUp => Some(Seen::Observation(Observation::Resumed)),
            Happening::Head(exchange, Ok(response)) => {
                let head = types::ResponseHead {
                    exchange,
                    status: response.status,
                    headers: convert::headers(&response.headers, &self.secrets),
                };
                let redactor = self.secrets.stream_redactor();
                self.read_on(exchange, Box::new(Receiving { body: response.body, redactor }));
                Some(Seen::Observation(Observation::Head(head)))
            }
            Happening::Head(exchange, Err(error)) | Happening::Body(exchange, _, Some(Err(error))) => {
                Some(Seen::Broken(convert::transport_failure(exchange, error)))
            }
            Happening::Body(exchange, mut receiving, Some(Ok(bytes))) => {
                let bytes = match &mut receiving.redactor {
                    Some(redactor) => redactor.push(&bytes),
                    None => bytes.to_vec(),
                };
                self.read_on(exchange, receiving);
                if bytes.is_empty() {
                    return None;
                }
                Some(Seen::Observation(Observation::Body(types::BodyBytes { exchange, bytes })))
            }
            Happening::Body(exchange, mut receiving, None) => {
                let rest = receiving.redactor.take().map(StreamRedactor::finish).unwrap_or_default();
                if rest.is_empty() {
                    return Some(Seen::Observation(Observation::Ended(exchange)));
                }
                // What was held back comes first; the end is observed again after it.
                self.flights.push(Box::pin(async move { Happening::Body(exchange, receiving, None) }));
                Some(Seen::Observation(Observation::Body(types::BodyBytes { exchange, bytes: rest })))
            }
        }
    }

    fn tape(&self) -> Option<&Arc<dyn Tape>> {
        self.binding.generation.host.egress.tape()
    }

    /// Tells the tape what the guest is told, where there is one.
    fn let_hear(&self, seen: &Seen) {
        let Some(tape) = self.tape() else { return };
        match seen {
            Seen::Observation(Observation::Head(head)) => {
                let text = |header: &types::Header| {
                    (header.name.clone(), String::from_utf8_lossy(&header.value).into_owned())
                };
                let headers: Vec<_> = head.headers.iter().map(text).collect();
                tape.hear(head.exchange, Sound::Head(head.status, &headers));
            }
            Seen::Observation(Observation::Body(body)) => tape.hear(body.exchange, Sound::Body(&body.bytes)),
            Seen::Observation(Observation::Ended(exchange)) => tape.hear(*exchange, Sound::End(None)),
            Seen::Broken(failure) => tape.hear(failure.exchange, Sound::End(Some(failure.kind.into()))),
            Seen::Observation(_) | Seen::Idle => {}
        }
    }

    fn read_on(&mut self, exchange: u32, mut receiving: Box<Receiving>) {
        self.flights.push(Box::pin(async move {
            let chunk = receiving.body.chunk().await;
            Happening::Body(exchange, receiving, chunk)
        }));
    }

    /// Lets connections whose answers are all but read go back to the pool; the rest are closed.
    pub(crate) fn close(self) {
        if self.flights.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let mut wire = self;
            let finish = async { while !matches!(wire.observe().await, Seen::Idle) {} };
            // Past this the connection is not worth waiting for.
            let _ = tokio::time::timeout(Duration::from_millis(50), finish).await;
        });
    }
}
