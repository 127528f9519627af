//! A round of deliveries to one endpoint, in one transaction: what became of the last ones is written down, the
//! endpoint's breaker learns of it, and the next ones are claimed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::{Actor, Event, Outcome as EventOutcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_domain::webhook::breaker::{Admission, Breaker};
use hardpoint_domain::webhook::signature::SigningSecret;
use hardpoint_domain::webhook::{ENDPOINT, schedule};
use hardpoint_store::outbox::{self, Claimed, Delivery, GivenUp, Settlement};
use hardpoint_store::secrets;
use hardpoint_store::webhooks::{self, Endpoint};
use hardpoint_store::{StoreError, Tx};
use serde_json::json;

use super::losses;
use super::secrets::signing;
use super::send::Tried;
use crate::config::MOST_TOLERATED;
use crate::service::events::masked;
use crate::service::mail::Post;

/// How far apart the clocks of two hosts may be that claim anything.
pub const APART: Duration = MOST_TOLERATED.saturating_mul(2);

/// How long a claim holds: longer than an attempt may take, by the clock of any host, and waiting for one before.
pub const LEASE: Duration = Duration::from_secs(40);

/// A round.
pub struct Round {
    /// To this endpoint.
    pub endpoint_id: String,
    /// What became of what was claimed in rounds before.
    pub tried: Vec<Tried>,
    /// What was claimed in rounds before and is not to be tried now.
    pub unsent: Vec<Delivery>,
    /// So many may be claimed.
    pub room: usize,
    /// The present by which what failed is put off or given up, as compared with the database's clock. None where this
    /// host's is not known to be right: then what failed is given back.
    pub judged: Option<Timestamp>,
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
    /// What was claimed.
    pub claimed: Vec<Claimed>,
    /// How many of what was tried were given up.
    pub given_up: u64,
    /// Whether what was claimed before and not sent yet may still be: not to an endpoint that fails, or is switched off.
    pub is_open: bool,
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
        // By a clock that was ahead it recovered only later, and all that fails until then would be pulled forward.
        let recovered_at = before.recovered_at.map(|at| at.min(self.now));
        let (mut breaker, mut lost) = (Breaker { recovered_at, ..before }, Vec::new());
        let mut given_back = self.unsent.clone();
        let delivered = self.settle_delivered(tx).await?;
        for tried in &self.tried {
            // What was not sent, or came from the address before this one, says nothing of the endpoint.
            let is_its_own = !tried.is_lost && *tried.url == *endpoint.url;
            if tried.outcome != Outcome::Delivered {
                match settlement(tried, self.judged, self.rng.unit()) {
                    Some(settlement) => {
                        let (endpoint, breaker) = (&mut endpoint, &mut breaker);
                        lost.extend(
                            self.settle_failed(tx, endpoint, breaker, tried, settlement, is_its_own).await?,
                        );
                    }
                    None => given_back.push(tried.delivery.clone()),
                }
            } else if is_its_own && delivered.contains(&tried.delivery.id) {
                breaker.succeeded(self.now);
            }
        }
        losses::tell(tx, &endpoint, &lost, self.now, &*self.rng).await?;
        if !given_back.is_empty() {
            outbox::unclaim(tx, &given_back).await?;
        }
        let (is_open, given_up) = (endpoint.is_enabled && !breaker.is_open(), lost.len() as u64);
        let next = Next { is_open, given_up, ..self.next(tx, &endpoint, &mut breaker).await? };
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
        Ok(Next { url: endpoint.url.clone(), secrets, claimed, given_up: 0, is_open: true })
    }

    /// All that were delivered together: as a rule that is all. Gives those whose claims counted.
    async fn settle_delivered(&self, tx: &mut Tx) -> Result<HashSet<String>, StoreError> {
        let delivered = self.tried.iter().filter(|tried| tried.outcome == Outcome::Delivered);
        let delivered: Vec<_> = delivered.map(|tried| (&tried.delivery, tried.attempt.clone())).collect();
        match delivered.is_empty() {
            true => Ok(HashSet::new()),
            false => outbox::made(tx, &delivered, self.now).await,
        }
    }

    /// Writes down what became of one that was not delivered; what of it is to be told as given up.
    async fn settle_failed(
        &self,
        tx: &mut Tx,
        endpoint: &mut Endpoint,
        breaker: &mut Breaker,
        tried: &Tried,
        settlement: Settlement,
        is_its_own: bool,
    ) -> Result<Option<GivenUp>, StoreError> {
        let now = self.judged.unwrap_or(self.now);
        let attempt = tried.attempt.clone();
        if !outbox::settle(tx, &tried.delivery, attempt, settlement, now).await? {
            // The claim lapsed: this was long ago, and another host has tried since.
            return Ok(None);
        }
        if tried.is_refused {
            self.append(tx, endpoint, "webhook.refused", EventOutcome::Refused, tried).await?;
        }
        if is_its_own {
            breaker.failed(now, self.rng.unit());
        }
        if is_its_own && tried.outcome == Outcome::Gone && endpoint.is_enabled {
            endpoint.is_enabled = false;
            endpoint.disabled_reason = Some("it answered 410".to_owned());
            endpoint.updated_at = self.now;
            webhooks::update(tx, endpoint).await?;
            self.append(tx, endpoint, "webhook_endpoint.disabled", EventOutcome::Success, tried).await?;
        }
        Ok((settlement == Settlement::Dropped).then(|| given_up(tried)))
    }

    async fn claim(&self, tx: &mut Tx, breaker: &mut Breaker) -> Result<Vec<Claimed>, StoreError> {
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

    /// No endpoint is told that a delivery was refused, so this leads to no further ones; and each can be switched off
    /// but once.
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
                "url": masked(&tried.url),
                "delivery_id": tried.delivery.id,
                "event_id": tried.delivery.event_id,
                "reason": tried.attempt.error,
            })),
            ..Event::new(id, self.now, kind, Actor::system(), target)
        };
        tx.append(&event, &[]).await
    }
}

fn given_up(tried: &Tried) -> GivenUp {
    let Delivery { id, destination, event_id, kind, .. } = tried.delivery.clone();
    GivenUp { id, destination, event_id, kind, last_error: tried.attempt.error.clone() }
}

/// What becomes of a delivery after an attempt that failed; nothing where no time is known to tell that by. The attempt may
/// have begun by a clock that was ahead until then.
fn settlement(tried: &Tried, judged: Option<Timestamp>, unit_random: f64) -> Option<Settlement> {
    if tried.is_lost {
        return Some(Settlement::Dropped);
    }
    let Tried { delivery, attempt, retry_after, .. } = tried;
    let now = judged?;
    let next = schedule::next(delivery.accepted_at, attempt.at.min(now), now, *retry_after, unit_random);
    Some(next.map_or(Settlement::Dropped, Settlement::Again))
}

#[cfg(test)]
mod tests {
    use hardpoint_store::outbox::{Attempt, State};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// It was accepted at 0, and the first attempt at it failed that began then.
    fn failed(began: i64) -> Tried {
        let delivery = Delivery {
            id: "dlv_1".into(),
            event_id: "evt_1".into(),
            destination: "whe_1".into(),
            kind: "key.created".into(),
            created_at: at(0),
            state: State::Open,
            accepted_at: at(0),
            due_at: at(0),
            attempt: 1,
            claim_id: Some("claim_1".into()),
            lease_until: Some(at(40)),
            ended_at: None,
            last_error: None,
            attempts: Vec::new(),
        };
        Tried {
            delivery,
            attempt: Attempt { at: at(began), status: Some(500), error: None, duration_ms: 1 },
            outcome: Outcome::Failed,
            retry_after: None,
            is_refused: false,
            is_lost: false,
            url: "https://example.com/".into(),
        }
    }

    #[test]
    fn nothing_is_put_off_or_given_up_by_a_clock_that_is_wrong() {
        let days = 80 * 3_600;
        assert_eq!(settlement(&failed(0), Some(at(1)), 0.5), Some(Settlement::Again(at(5))));
        assert_eq!(settlement(&failed(days), Some(at(days)), 0.5), Some(Settlement::Dropped));
        assert_eq!(settlement(&failed(days), None, 0.5), None, "it is not known to be right");
        let mended = settlement(&failed(days), Some(at(1)), 0.5);
        assert_eq!(mended, Some(Settlement::Again(at(5))), "it was put right while the attempt went on");
        let lost = Tried { is_lost: true, ..failed(days) };
        assert_eq!(settlement(&lost, None, 0.5), Some(Settlement::Dropped), "whatever the time");
    }
}
