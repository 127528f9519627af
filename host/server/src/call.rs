//! The record that every request of a key leaves behind, and how it comes to be written exactly once.
//!
//! The middleware opens a [`CallNote`] before anything else and puts a clone into the request's
//! extensions; on the way, handlers and services add what only they know (model, tokens, an error that
//! came after the status line). Then one of four things ends the request, and whichever comes first
//! writes the record:
//!
//! 1. A plain answer: the middleware commits before it hands the answer over, so the record is durable
//!    before the answer's first byte.
//! 2. A stream that settles: its service awaits [`CallNote::commit`] before it yields the last event
//!    (`[DONE]`), so the record is durable before the answer's last byte.
//! 3. A stream that does not settle by itself: [`RecordedBody`] commits when the inner body has ended,
//!    before it tells the connection so.
//! 4. A client that leaves: hyper drops the handler's future or the body, with it the [`CallGuard`],
//!    which records it as cancelled with what was noted until then, under status 499 if there was no
//!    status yet. The inner body is dropped first, so that
//!    a service may note what was streamed in the `Drop` of its stream.
//!
//! Writing itself is the recorder's, which the server lets finish before it ends: who leaves while it runs
//! changes nothing about it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hardpoint_domain::bill::Bill;
use hardpoint_domain::message::Usage;
use hardpoint_domain::money::Credits;
use hardpoint_domain::quota::Standing;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::Binding;
use hardpoint_store::call_records::{CallRecord, Outcome};
use hardpoint_store::{Ended, StoreError};
use http::request::Parts;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::billing::Purchase;
use crate::service::limits::{Pass, TokenStanding, Tokens};
use crate::state::App;

/// The status recorded for a client that left before its answer was complete. Never sent.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Which binding served a request, and which version of which plugin stood behind it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The binding.
    pub binding: String,
    /// The plugin's id.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
}

impl From<&Binding> for Served {
    fn from(binding: &Binding) -> Self {
        let manifest = binding.generation().manifest();
        Self {
            binding: binding.name().to_owned(),
            plugin: manifest.id.clone(),
            version: manifest.version.clone(),
        }
    }
}

/// What is known of a request so far.
#[derive(Debug, Default)]
pub struct Facts {
    /// In capitals.
    pub method: String,
    /// The route's template; empty where no route matched.
    pub route: String,
    /// The status of the answer; 0 until it is known.
    pub status: u16,
    /// The error's type.
    pub error: Option<String>,
    /// The error's message, as the client sees it.
    pub error_message: Option<String>,
    /// Who called: a key, or somebody who logged in.
    pub caller: Option<Caller>,
    /// The id of the model that was asked for.
    pub model: Option<String>,
    /// What served it, after fallbacks.
    pub served: Option<Served>,
    /// Tokens, over all rounds.
    pub usage: Usage,
    /// What was used beside what answers it: to find what the answer rests on.
    pub beside: Bill,
    /// What is kept to pay for it; none where it costs nothing.
    pub purchase: Option<Purchase>,
    /// The tokens that it may use in this minute; none where they are not limited.
    pub tokens: Option<Tokens>,
    /// How their limit stands.
    pub token_standing: Option<TokenStanding>,
    /// Whether it is answered piece by piece.
    pub streamed: bool,
    /// Deltas that were sent.
    pub deltas: u64,
    /// Bytes of the answer's body that were passed on by then: of a stream all but its last event.
    pub bytes_sent: u64,
    /// How it ended; decided by status and error where it is left out.
    pub outcome: Option<Outcome>,
    /// When it came.
    pub started: Timestamp,
    /// Where it came from.
    pub ip: Option<IpAddr>,
    /// Whether it leaves no record, being one of many that were turned away.
    pub unrecorded: bool,
}

struct Shared {
    app: Arc<App>,
    request_id: Arc<str>,
    clock_start: Instant,
    /// None once somebody took it to write it down.
    facts: Mutex<Option<Facts>>,
}

impl Facts {
    /// What the request leaves behind: its record, and what it spent. None for a stranger's, and for one of many that
    /// were turned away: those leave counters and aggregated refusals, or they could fill the disk.
    fn end(mut self, request_id: &str, elapsed: Duration, now: Timestamp) -> Option<Ended> {
        if let Some(tokens) = self.tokens.take() {
            tokens.settle(self.usage.total());
        }
        let purchase = self.purchase.take();
        let record = self.record(request_id, elapsed)?;
        let Some(purchase) = purchase else { return Some(record.into()) };
        let (rates, noted) = (Some(purchase.rates.to_string()), purchase.noted);
        let (charge, spent) = purchase.settle(now);
        Some(Ended { record: CallRecord { charge, rates, ..record }, spent, noted })
    }

    /// The record of a request that costs nothing.
    fn record(&mut self, request_id: &str, elapsed: Duration) -> Option<CallRecord> {
        let caller = self.caller.as_ref().filter(|_| !self.unrecorded)?;
        let failed = self.error.is_some() || self.status >= 400;
        let outcome = self.outcome.unwrap_or(if failed { Outcome::Failed } else { Outcome::Completed });
        let served = self.served.take();
        let take = std::mem::take::<String>;
        Some(CallRecord {
            // As unique as the request it is the record of.
            id: format!("call_{}", request_id.strip_prefix("req_").unwrap_or(request_id)),
            request_id: request_id.to_owned(),
            time: self.started,
            organization_id: Some(caller.organization_id.clone()),
            key_id: (!caller.is_host()).then(|| caller.key_id.clone()),
            method: take(&mut self.method),
            route: if self.route.is_empty() { "(none)".to_owned() } else { take(&mut self.route) },
            status: self.status,
            error_type: self.error.take(),
            error_message: self.error_message.as_deref().map(one_line),
            duration_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            model: self.model.take(),
            binding: served.as_ref().map(|served| served.binding.clone()),
            plugin: served.as_ref().map(|served| served.plugin.clone()),
            plugin_version: served.map(|served| served.version),
            input_tokens: self.usage.input_tokens,
            cached_input_tokens: self.usage.cached_input_tokens,
            output_tokens: self.usage.output_tokens,
            streamed: self.streamed,
            deltas: self.deltas,
            bytes_sent: self.bytes_sent,
            outcome,
            charge: Credits::ZERO,
            rates: None,
        })
    }
}

/// Text that may repeat what a client sent, cut to what a table shows, without characters that no database
/// and no terminal should be given.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A handle on a request's record; clones share it.
#[derive(Clone)]
pub struct CallNote(Arc<Shared>);

impl CallNote {
    /// Opens the record of a request.
    pub fn open(app: Arc<App>, request_id: Arc<str>, facts: Facts) -> Self {
        Self(Arc::new(Shared {
            app,
            request_id,
            clock_start: Instant::now(),
            facts: Mutex::new(Some(facts)),
        }))
    }

    /// Changes what is known; without effect once the record is written.
    pub fn update(&self, change: impl FnOnce(&mut Facts)) {
        if let Some(facts) = self.facts().as_mut() {
            change(facts);
        }
    }

    /// `req_…`.
    pub fn request_id(&self) -> Arc<str> {
        self.0.request_id.clone()
    }

    /// Who is calling, as far as that is known.
    pub fn caller(&self) -> Option<Caller> {
        self.facts().as_ref()?.caller.clone()
    }

    /// How the limit of its tokens stands, where they are limited.
    pub fn token_standing(&self) -> Option<TokenStanding> {
        self.facts().as_ref()?.token_standing.clone()
    }

    /// The running server.
    pub fn app(&self) -> &Arc<App> {
        &self.0.app
    }

    /// How far a request is that money is kept for: the lease that it is charged to, and the record that it would
    /// leave if this host ended now. None where it has ended, or began less than this long ago.
    pub(crate) fn progress(&self, least: Duration) -> Option<(String, CallRecord)> {
        let elapsed = self.0.clock_start.elapsed();
        if elapsed < least {
            return None;
        }
        let mut facts = self.facts();
        let facts = facts.as_mut()?;
        let purchase = facts.purchase.as_mut()?;
        purchase.noted = true;
        let (lease, rates) = (purchase.lease()?.to_owned(), purchase.rates.to_string());
        let charge = purchase.so_far();
        let mut shown = Facts {
            method: facts.method.clone(),
            route: facts.route.clone(),
            status: facts.status,
            error: Some("interrupted".to_owned()),
            error_message: Some("The host stopped before the request ended.".to_owned()),
            caller: facts.caller.clone(),
            model: facts.model.clone(),
            served: facts.served.clone(),
            outcome: Some(Outcome::Failed),
            beside: Bill::default(),
            purchase: None,
            tokens: None,
            token_standing: None,
            ..*facts
        };
        let record = shown.record(&self.0.request_id, elapsed)?;
        Some((lease, CallRecord { charge, rates: Some(rates), ..record }))
    }

    /// Notes the model that was asked for.
    pub fn model(&self, id: &str) {
        self.update(|facts| facts.model = Some(id.to_owned()));
    }

    /// Notes what answers; a fallback takes the place of what failed before it.
    pub fn served_by(&self, binding: &Binding) {
        self.update(|facts| facts.served = Some(binding.into()));
    }

    /// Notes that one more delta goes to the client.
    pub fn delta(&self) {
        self.update(|facts| facts.deltas += 1);
    }

    /// Notes what was used so far, over all rounds; replaces what was noted before, and leaves what was used
    /// [beside](Self::used_beside).
    pub fn used(&self, bill: Bill) {
        self.update(|facts| {
            let whole = facts.beside.plus(&bill);
            facts.usage = whole.usage();
            if let Some(purchase) = &mut facts.purchase {
                purchase.used(whole);
            }
        });
    }

    /// Notes what was used beside what answers the request, and before that; adds to what was noted so before.
    pub fn used_beside(&self, bill: &Bill) {
        self.update(|facts| {
            facts.beside = facts.beside.plus(bill);
            facts.usage = facts.beside.usage();
            if let Some(purchase) = &mut facts.purchase {
                purchase.used(facts.beside.clone());
            }
        });
    }

    /// Notes an error that came after the status line was sent.
    pub fn error(&self, kind: &str, message: &str) {
        self.update(|facts| {
            facts.error = Some(kind.to_owned());
            facts.error_message = Some(message.to_owned());
            facts.outcome = Some(Outcome::Failed);
        });
    }

    /// Writes the record and waits until it is durable. Only the first call does; later ones have nothing
    /// to write. It is written to its end even if nobody waits for it any more: a client may leave at any
    /// time. A store that fails is logged by it: the answer is not taken back for that.
    pub async fn commit(&self) {
        if self.facts().as_ref().is_some_and(|facts| facts.streamed) {
            // Waiting once lets the body pass on, and count, what was written so far.
            tokio::task::yield_now().await;
        }
        if let Some(written) = self.write() {
            let _ = written.await;
        }
    }

    /// Takes what is known and hands it over to be written down, on which the answer waits; none where
    /// there is nothing to write.
    fn write(&self) -> Option<impl Future<Output = Result<(), StoreError>> + Send + use<>> {
        let facts = self.facts().take()?;
        let shared = &self.0;
        let elapsed = shared.clock_start.elapsed();
        shared.app.metrics.request(&facts, elapsed);
        let error = facts.error_message.as_deref();
        tracing::debug!(status = facts.status, ms = elapsed.as_secs_f64() * 1e3, error, "answered");
        if facts.purchase.is_some() {
            shared.app.billing.ended(&shared.request_id);
        }
        let now = shared.app.clock.now();
        facts.end(&shared.request_id, elapsed, now).map(|ended| shared.app.calls.record(ended))
    }

    fn is_open(&self) -> bool {
        self.facts().is_some()
    }

    fn facts(&self) -> MutexGuard<'_, Option<Facts>> {
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Sync> FromRequestParts<S> for CallNote {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::internal("no call note on this route"))
    }
}

/// Writes the record as a cancelled request if it is dropped before the record was written.
pub struct CallGuard {
    note: CallNote,
    /// The places that the request takes: free again with its last byte, or when the client leaves.
    pass: Option<Pass>,
}

impl CallGuard {
    /// Guards the request from here on.
    pub fn new(note: CallNote) -> Self {
        Self { note, pass: None }
    }

    /// The guarded record.
    pub fn note(&self) -> &CallNote {
        &self.note
    }

    /// How the tightest of its limits stands; none where there is none, or it was not counted.
    pub fn standing(&self) -> Option<&Standing> {
        self.pass.as_ref()?.standing.as_ref()
    }

    /// Whether it counts against the limits of whoever sent it.
    pub fn is_counted(&self) -> bool {
        self.pass.is_some()
    }

    /// Keeps what let the request in until it ends.
    pub fn keep(&mut self, pass: Pass) {
        self.pass = Some(pass);
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if !self.note.is_open() {
            return;
        }
        let note = self.note.clone();
        note.update(|facts| {
            // A stream's status is out already; an answer that never was has none.
            if facts.status == 0 {
                facts.status = CLIENT_CLOSED_REQUEST;
            }
            facts.outcome.get_or_insert(Outcome::Cancelled);
        });
        drop(note.write());
    }
}

/// A streamed answer together with its record; see the module's text.
pub struct RecordedBody {
    /// None once it ended; dropped before the guard when the client leaves.
    inner: Option<Body>,
    committing: Option<BoxFuture<'static, ()>>,
    guard: CallGuard,
}

impl RecordedBody {
    /// Binds the record's fate to the body's.
    pub fn new(inner: Body, guard: CallGuard) -> Self {
        Self { inner: Some(inner), committing: None, guard }
    }
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(inner) = &mut self.inner {
            match std::task::ready!(Pin::new(inner).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    self.guard.note().update(|facts| facts.bytes_sent += length);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => {
                    // Broken off by the host: hyper closes the connection without a clean end, and drops us.
                    self.guard.note().update(|facts| {
                        facts.error.get_or_insert_with(|| "stream_broken".to_owned());
                        facts.outcome = Some(Outcome::Failed);
                    });
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.inner = None,
            }
            let note = self.guard.note().clone();
            self.committing = Some(Box::pin(async move { note.commit().await }));
        }
        if let Some(committing) = &mut self.committing {
            std::task::ready!(committing.as_mut().poll(context));
            self.committing = None;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none() && self.committing.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        self.inner = None;
    }
}
