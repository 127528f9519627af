//! Requests under an `Idempotency-Key`: each is carried out once, and who asks again is given the first answer.
//!
//! The name is claimed durably before anything is done, and the answer is kept before its last byte leaves. A host
//! answers for what it carries out by a lease that it prolongs (`worker/idempotency.rs`); a request whose lease ran
//! out without an answer was lost with its host, and is not done again.
//!
//! Only what succeeded is kept. What was refused or failed has changed nothing, and the same request may succeed
//! when the reason is gone: more credit, a free place, a provider that is back. The exception is 500: nobody knows
//! what became of that.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_store::idempotency::{self, Claim, Known, State};
use hardpoint_store::{Lane, Store, StoreError};
use http::StatusCode;
use tokio::sync::{Notify, watch};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::App;

/// The header that names a request, as it stands in messages.
pub const HEADER: &str = "Idempotency-Key";

/// How long a name stands for the request that was made under it.
pub const KEPT: Duration = Duration::from_secs(86_400);

/// How long a host answers for a request without prolonging that.
pub const LEASE: Duration = Duration::from_secs(30);

/// The longest body that is kept, in bytes.
pub const LONGEST: usize = 1 << 20;

/// The most that is kept of an organisation's answers, in bytes. Where there are more the oldest make room; until
/// that is looked at, each host may keep as much again as [`LOOK_AFTER`].
pub const MOST_KEPT: i64 = 64 << 20;

/// Once a host has kept so many bytes, whosever, it looks whether anybody has too many.
const LOOK_AFTER: i64 = 16 << 20;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 255;

/// Claims are tried so often: another's may be released between being in the way and being looked at.
const ATTEMPTS: u32 = 3;

/// What this host carries out under a name.
#[derive(Debug)]
pub struct Claims {
    /// Ids of requests.
    held: Mutex<BTreeSet<String>>,
    count: watch::Sender<usize>,
    /// Bytes of answers that were kept since it was last looked how many there are.
    kept: AtomicI64,
    full: Notify,
}

impl Default for Claims {
    fn default() -> Self {
        let (held, count, full) = (Mutex::default(), watch::Sender::new(0), Notify::new());
        // What another run of this host kept is looked at as well.
        Self { held, count, kept: AtomicI64::new(LOOK_AFTER), full }
    }
}

impl Claims {
    /// Ids of the requests that are under way.
    pub fn held(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Waits until none is under way.
    pub async fn idle(&self) {
        // The sender lives as long as we do.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Notes that an answer of so many bytes is kept.
    fn keep(&self, bytes: i64) {
        if self.kept.fetch_add(bytes, Ordering::Relaxed) + bytes >= LOOK_AFTER {
            self.full.notify_one();
        }
    }

    /// Waits until it is time to look how much is kept.
    pub async fn full(&self) {
        self.full.notified().await;
    }

    /// Whether so much was kept since this was last asked that it is time to look.
    pub fn is_full(&self) -> bool {
        let is_full = |kept| (kept >= LOOK_AFTER).then_some(0);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_full).is_ok()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        let mut held = self.lock();
        change(&mut held);
        self.count.send_replace(held.len());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under a name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The header's text.
    pub name: String,
    /// SHA-256 of what is asked.
    pub fingerprint: [u8; 32],
}

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, byte by byte.
    pub body: Vec<u8>,
}

/// What is to become of a request.
pub enum Begun {
    /// Nobody has made it before.
    First(Held),
    /// It was answered like this.
    Again(Kept),
}

/// A name that this request holds. Exactly one of its methods ends that; where none does, the lease runs out, and
/// what became of the request is not known.
pub struct Held {
    app: Arc<App>,
    id: String,
}

/// Whether a text may name a request: 1 to 255 printable characters of ASCII.
pub fn is_name(text: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Claims the name of a request, or finds what was answered to it before.
///
/// # Errors
/// 422 where the name stands for another request; 409 where that is under way, was lost, or had too long an answer.
pub async fn begin(app: &Arc<App>, caller: &Caller, named: Named) -> Result<Begun, ApiError> {
    let Named { name, fingerprint } = named;
    for _ in 0..ATTEMPTS {
        let now = app.clock.now();
        let (organization, key) = (&caller.organization_id, &caller.key_id);
        let known = idempotency::find(&mut app.store.read().await?, organization, key, &name, now).await?;
        if let Some(known) = known {
            return again(app, known, fingerprint).map(Begun::Again);
        }
        let claim = Claim {
            id: caller.request_id.to_string(),
            organization_id: organization.clone(),
            key_id: key.clone(),
            name: name.clone(),
            fingerprint,
            lease_until: now.plus(LEASE),
            expires_at: now.plus(KEPT),
        };
        // Held first: the claim is written even if nobody waits for it any more.
        let held = Held::new(app, &claim.id);
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { idempotency::claim(tx, &claim, now).await })
        });
        if write.await? {
            return Ok(Begun::First(held));
        }
    }
    Err(in_use())
}

/// What a name stands for already.
fn again(app: &App, known: Known, fingerprint: [u8; 32]) -> Result<Kept, ApiError> {
    if known.fingerprint != fingerprint {
        let message = format!("This {HEADER} was used for another request. A new request needs a new one.");
        return Err(ApiError::impossible(HEADER, "reused", message));
    }
    match known.state {
        State::Running if known.lease_until > app.clock.now() => Err(in_use()),
        State::Running => Err(conflict(
            "outcome_unknown",
            "The host that carried out this request was lost before it answered. What became of it is not known; it is \
             not done again.",
        )),
        State::NotKept => Err(conflict(
            "answer_not_kept",
            "This request was carried out and answered, but the answer is not kept: it was too long, or your \
             organisation has had more kept since than there is room for. It is not done again.",
        )),
        State::Answered => kept(known).ok_or_else(|| ApiError::internal("a kept answer cannot be read")),
    }
}

fn kept(known: Known) -> Option<Kept> {
    Some(Kept {
        status: u16::try_from(known.status?).ok()?,
        headers: serde_json::from_str(&known.headers?).ok()?,
        body: known.body?,
    })
}

fn in_use() -> ApiError {
    conflict("request_in_progress", "The first request of this Idempotency-Key is still under way.")
        .retry_after(1)
}

fn conflict(kind: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, kind, message)
}

impl Held {
    fn new(app: &Arc<App>, id: &str) -> Self {
        app.claims.change(|held| held.insert(id.to_owned()));
        Self { app: app.clone(), id: id.to_owned() }
    }

    /// Keeps the answer; none is one that is too long.
    pub async fn keep(self, answer: Option<Kept>) {
        let id = self.id.clone();
        let answer = answer.map(|Kept { status, headers, body }| {
            let headers = headers.into_iter().map(|(name, value)| [name, value]);
            (status, serde_json::Value::from_iter(headers).to_string(), body)
        });
        let size = answer.as_ref().map_or(0, |(_, headers, body)| idempotency::size(headers, body));
        let write = self.store().write(Lane::Request, move |tx| {
            Box::pin(async move {
                match answer {
                    Some((status, headers, body)) => {
                        idempotency::answer(tx, &id, status, &headers, &body).await
                    }
                    None => idempotency::not_kept(tx, &id).await,
                }
            })
        });
        self.told(write.await);
        self.app.claims.keep(size);
    }

    /// Lets go of the name: nothing was done under it.
    pub async fn release(self) {
        let id = self.id.clone();
        let write = self
            .store()
            .write(Lane::Request, |tx| Box::pin(async move { idempotency::release(tx, &id).await }));
        self.told(write.await);
    }

    /// Gives the request up: what became of it is not known.
    pub async fn lose(self) {
        let (id, now) = (self.id.clone(), self.app.clock.now());
        let write = self
            .store()
            .write(Lane::Request, move |tx| Box::pin(async move { idempotency::lease(tx, &id, now).await }));
        self.told(write.await);
    }

    /// The server that carries it out.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    fn store(&self) -> &Store {
        &self.app.store
    }

    /// The answer is given all the same: whoever asks again is told that it is not known.
    fn told(&self, written: Result<(), StoreError>) {
        if let Err(error) = written {
            tracing::warn!(request_id = self.id, %error, "what became of a request was not written down");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.app.claims.change(|held| held.remove(&self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_a_request() {
        for good in ["1", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", "a b", &"x".repeat(255)] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "a\tb", "☃", "a\u{7f}", &"x".repeat(256)] {
            assert!(!is_name(bad.as_bytes()), "{bad}");
        }
    }
}
