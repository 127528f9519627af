//! Deliveries that are given up, and telling it: to the audit log, and to the organisation's other endpoints.

use std::collections::BTreeMap;

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_domain::webhook::schedule::LIFE;
use hardpoint_domain::webhook::{DEAD_LETTERED, ENDPOINT, is_loss_told};
use hardpoint_store::outbox::{self, GivenUp};
use hardpoint_store::webhooks::{self, Endpoint};
use hardpoint_store::{StoreError, Tx};
use serde_json::json;

use crate::service::events::masked;

/// Why what expired was not delivered, where no attempt says more.
const EXPIRED: &str = "no attempt was made in time: the endpoint was switched off or answered no probe, or no host ran \
                       that can open its signing secret";

/// Gives up to `batch` deliveries up that are too old, and tells it; how many.
///
/// # Errors
/// The store's; then nothing was done.
pub async fn expire(tx: &mut Tx, now: Timestamp, batch: i64, rng: &dyn Rng) -> Result<u64, StoreError> {
    let expired = outbox::expire(tx, now.minus(LIFE), now, EXPIRED, batch).await?;
    let count = expired.len() as u64;
    let mut by_endpoint: BTreeMap<String, Vec<GivenUp>> = BTreeMap::new();
    for lost in expired {
        by_endpoint.entry(lost.destination.clone()).or_default().push(lost);
    }
    for (id, lost) in by_endpoint {
        // What was queued for one that was removed ends without a word.
        if let Some(endpoint) = webhooks::get(tx, &id).await? {
            tell(tx, &endpoint, &lost, now, rng).await?;
        }
    }
    Ok(count)
}

/// Tells what was given up of an endpoint's deliveries: in one event, however many there are.
///
/// # Errors
/// The store's.
pub(super) async fn tell(
    tx: &mut Tx,
    endpoint: &Endpoint,
    lost: &[GivenUp],
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<(), StoreError> {
    let told: Vec<&GivenUp> = lost.iter().filter(|one| is_loss_told(&one.kind)).collect();
    let Some(first) = told.first() else { return Ok(()) };
    let about = json!({
        "url": masked(&endpoint.url),
        "count": told.len(),
        "delivery_id": first.id,
        "event_id": first.event_id,
        "event": first.kind,
        "reason": first.last_error,
    });
    let target = Target::new(ENDPOINT, &endpoint.id);
    let event = Event {
        organization_id: Some(endpoint.organization_id.clone()),
        outcome: Outcome::Failure,
        after: Some(about),
        ..Event::new(id::prefixed("evt", now, rng), now, DEAD_LETTERED, Actor::system(), target)
    };
    tx.append(&event, &[]).await
}
