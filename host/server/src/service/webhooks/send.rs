//! One attempt at a delivery.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook;
use hardpoint_domain::webhook::answer::{self, Outcome};
use hardpoint_domain::webhook::signature::{self, SigningSecret};
use hardpoint_runtime::egress::{EgressErrorKind, OwnPost};
use hardpoint_store::outbox::{Attempt, Delivery};

use crate::state::App;

/// How long an attempt may take, from the look-up of the name to the head of the answer.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A delivery, and what an attempt at it came to.
#[derive(Clone, Debug)]
pub struct Tried {
    /// As it was claimed.
    pub delivery: Delivery,
    /// For its history.
    pub attempt: Attempt,
    /// What it means.
    pub outcome: Outcome,
    /// What the endpoint asked for.
    pub retry_after: Option<Duration>,
    /// Whether nothing was sent, because nothing may be sent there.
    pub is_refused: bool,
    /// Whether there was nothing to send: the event's body was purged, or cannot be read. That is no fault of the
    /// endpoint's, and will not be otherwise next time.
    pub is_lost: bool,
    /// Where it was sent to, or would have been.
    pub url: Arc<str>,
}

/// What is sent: to whom, and signed with what.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where to.
    pub url: Arc<str>,
    /// The newest first.
    pub secrets: Arc<[SigningSecret]>,
    /// The event's canonical bytes; none where they were purged.
    pub body: Option<Vec<u8>>,
}

/// Sends a delivery once.
pub async fn attempt(app: &App, delivery: Delivery, letter: Letter) -> Tried {
    let (began, url) = (app.clock.now(), letter.url.clone());
    let written = post(&delivery, letter, began);
    let is_lost = written.is_err();
    let sent = match written {
        Ok(post) => app.webhook_egress.post(post, LIMIT).await.map_err(|error| (error.kind, error.message)),
        Err(reason) => Err((EgressErrorKind::Protocol, reason)),
    };
    let now = app.clock.now();
    let (status, outcome, error) = match &sent {
        Ok(answer) => {
            let outcome = answer::outcome(answer.status);
            let error = (outcome != Outcome::Delivered).then(|| format!("it answered {}", answer.status));
            (Some(answer.status), outcome, error)
        }
        Err((_, message)) => (None, Outcome::Failed, Some(message.clone())),
    };
    let retry_after = sent.as_ref().ok().and_then(|answer| answer.retry_after.as_deref());
    let duration = u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX);
    Tried {
        delivery,
        attempt: Attempt { at: began, status, error, duration_ms: duration },
        outcome,
        retry_after: retry_after.and_then(|text| answer::retry_after(text, now)),
        is_refused: matches!(sent, Err((EgressErrorKind::Denied, _))),
        is_lost,
        url,
    }
}

/// The request. Its id is the event's: the same in every attempt, and when it is replayed.
fn post(delivery: &Delivery, letter: Letter, now: Timestamp) -> Result<OwnPost, String> {
    let bytes = letter.body.ok_or("the event's body was purged")?;
    let event: Event = serde_json::from_slice(&bytes).map_err(|_| "the event cannot be read")?;
    let body = webhook::payload(&event).to_string();
    let signed = signature::headers(&delivery.event_id, now, body.as_bytes(), &letter.secrets);
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(signed);
    Ok(OwnPost { url: letter.url.to_string(), headers, body: body.into() })
}
