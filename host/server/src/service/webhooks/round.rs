//! A round of deliveries to one endpoint, in one transaction: what became of the last ones is written down, the
//! endpoint's breaker learns of it, and the next ones are claimed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::{Actor, Event, Outcome as EventOutcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_domain::webhook::breaker::{Admission, Breaker};
use hardpoint_domain::webhook::signature::SigningSecret;
use hardpoint_domain::webhook::{ENDPOINT, schedule};
use hardpoint_store::outbox::{self, Delivery, Settlement};
use hardpoint_store::secrets;
use hardpoint_store::webhooks::{self, Endpoint};
use hardpoint_store::{StoreError, Tx};
use serde_json::json;

use super::secrets::signing;
use super::send::Tried;
use crate::service::mail::Post;

/// How long a claim holds: longer than an attempt may take, and writing down what it came to.
pub const LEASE: Duration = Duration::from_secs(30);

/// A round.
pub struct Round {
    /// To this endpoint.
    pub endpoint_id: String,
    /// What became of what was claimed in rounds before.
    pub tried: Vec<Tried>,
    /// So many may be claimed.
    pub room: usize,
    /// The present.
    pub now: Timestamp,
    /// For jitter and ids.
    pub rng: Arc<dyn Rng>,
    /// Has the keys that open signing secrets.
    pub post: Post,
}

/// What is to be sent next.
#[derive(Debug, Default)]
pub struct Next {
    /// Where to.
    pub url: String,
    /// What it is signed with, the newest first.
    pub secrets: Vec<SigningSecret>,
    /// What was claimed, each with its event's bytes, where they are not purged.
    pub claimed: Vec<(Delivery, Option<Vec<u8>>)>,
}

impl Round {
    /// Writes down and claims.
    ///
    /// # Errors
    /// The store's; then nothing was done.
    pub async fn run(self, tx: &mut Tx) -> Result<Next, StoreError> {
        let Some(mut endpoint) = webhooks::hold(tx, &self.endpoint_id).await? else {
            return Ok(Next::default());
        };
        let before = Breaker::from(&endpoint.health);
        let mut breaker = before;
        for tried in &self.tried {
            self.settle(tx, &mut endpoint, &mut breaker, tried).await?;
        }
        let next = self.next(tx, &endpoint, &mut breaker).await?;
        if breaker != before {
            webhooks::set_health(tx, &endpoint.id, &breaker).await?;
        }
        Ok(next)
    }

    /// Claims what may be sent now, and can be signed here: else it is left to a host that has the key.
    async fn next(
        &self,
        tx: &mut Tx,
        endpoint: &Endpoint,
        breaker: &mut Breaker,
    ) -> Result<Next, StoreError> {
        if self.room == 0 || !endpoint.is_enabled {
            return Ok(Next::default());
        }
        let kept = secrets::list(tx, &endpoint.id).await?;
        let secrets = match signing(self.post.keyring(), endpoint, &kept, self.now) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::debug!(%error, endpoint = endpoint.id, "a signing secret cannot be opened here");
                return Ok(Next::default());
            }
        };
        let claimed = self.claim(tx, breaker).await?;
        let bodies = match claimed.is_empty() {
            true => Vec::new(),
            false => outbox::bodies(tx, &claimed).await?,
        };
        let bodies: BTreeMap<_, _> = bodies.into_iter().collect();
        let with_body = |delivery: Delivery| {
            let body = bodies.get(&delivery.event_id).cloned();
            (delivery, body)
        };
        let claimed = claimed.into_iter().map(with_body).collect();
        Ok(Next { url: endpoint.url.clone(), secrets, claimed })
    }

    async fn settle(
        &self,
        tx: &mut Tx,
        endpoint: &mut Endpoint,
        breaker: &mut Breaker,
        tried: &Tried,
    ) -> Result<(), StoreError> {
        match tried.outcome {
            Outcome::Delivered => breaker.succeeded(self.now),
            Outcome::Failed | Outcome::Gone => breaker.failed(self.now, self.rng.unit()),
        }
        let settlement = settlement(tried, self.now, self.rng.unit());
        outbox::settle(tx, &tried.delivery, tried.attempt.clone(), settlement, self.now).await?;
        if tried.is_refused {
            self.append(tx, endpoint, "webhook.refused", EventOutcome::Refused, tried).await?;
        }
        if tried.outcome == Outcome::Gone && endpoint.is_enabled {
            endpoint.is_enabled = false;
            endpoint.disabled_reason = Some("it answered 410".to_owned());
            endpoint.updated_at = self.now;
            webhooks::update(tx, endpoint).await?;
            self.append(tx, endpoint, "webhook.disabled", EventOutcome::Success, tried).await?;
        }
        Ok(())
    }

    async fn claim(&self, tx: &mut Tx, breaker: &mut Breaker) -> Result<Vec<Delivery>, StoreError> {
        let id = &self.endpoint_id;
        let claim_id = id::prefixed("claim", self.now, &*self.rng);
        let room = u32::try_from(self.room).unwrap_or(u32::MAX);
        match (breaker.admit(self.now), breaker.recovered_at) {
            (Admission::Nothing, _) => Ok(Vec::new()),
            (Admission::All, None) => outbox::claim(tx, id, &claim_id, room, self.now, LEASE).await,
            (Admission::All, Some(recovered)) => {
                let claimed =
                    outbox::claim_early(tx, id, &claim_id, room, self.now, LEASE, recovered).await?;
                if claimed.is_empty() {
                    breaker.recovered_at = None;
                }
                Ok(claimed)
            }
            (Admission::Probe, _) => {
                let claimed = outbox::claim_early(tx, id, &claim_id, 1, self.now, LEASE, self.now).await?;
                if !claimed.is_empty() {
                    breaker.probing(self.now, self.rng.unit());
                }
                Ok(claimed)
            }
        }
    }

    /// Events about deliveries are told to no endpoint, so this leads to no further ones.
    async fn append(
        &self,
        tx: &mut Tx,
        endpoint: &Endpoint,
        kind: &str,
        outcome: EventOutcome,
        tried: &Tried,
    ) -> Result<(), StoreError> {
        let target = Target::new(ENDPOINT, &endpoint.id);
        let id = id::prefixed("evt", self.now, &*self.rng);
        let event = Event {
            organization_id: Some(endpoint.organization_id.clone()),
            outcome,
            after: Some(json!({
                "url": endpoint.url,
                "delivery_id": tried.delivery.id,
                "event_id": tried.delivery.event_id,
                "reason": tried.attempt.error,
            })),
            ..Event::new(id, self.now, kind, Actor::system(), target)
        };
        tx.append(&event, &[]).await
    }
}

/// What becomes of a delivery after an attempt.
fn settlement(tried: &Tried, now: Timestamp, unit_random: f64) -> Settlement {
    if tried.outcome == Outcome::Delivered {
        return Settlement::Delivered;
    }
    let Tried { delivery, attempt, retry_after, .. } = tried;
    let next = schedule::next(delivery.accepted_at, attempt.at, now, *retry_after, unit_random);
    next.map_or(Settlement::Dropped, Settlement::Again)
}
