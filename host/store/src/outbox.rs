//! Deliveries that are still to be made, and who is making them.
//!
//! A claim is a fresh id and a lease. Who claims may deliver until the lease ends; after that anyone may
//! claim again, and the first claimer's word no longer counts once somebody did. So a delivery is made at
//! least once, and never by two at a time as long as leases are longer than deliveries take.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;

use crate::columns::{MaybeMicros, Micros, words};
use crate::db::{execute, fetch, statements};
use crate::events::NewDelivery;
use crate::outbox_dialect::CLAIM;
use crate::{Conn, StoreError, Tx};

words! {
    /// How far a delivery is.
    pub enum State {
        /// To be made: waiting, or claimed.
        Open = "open",
        /// Made.
        Delivered = "delivered",
        /// Given up.
        Dropped = "dropped",
    }
}

/// A delivery that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// `dlv_…`.
    pub id: String,
    /// The event to deliver.
    pub event_id: String,
    /// Where to.
    pub destination: String,
    /// Since when it may be tried.
    #[sqlx(try_from = "Micros")]
    pub due_at: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: i64,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// `dlv_…`.
    pub id: String,
    /// The event to deliver.
    pub event_id: String,
    /// Where to.
    pub destination: String,
    /// How far it is.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// From when on it may be tried.
    #[sqlx(try_from = "Micros")]
    pub due_at: Timestamp,
    /// Attempts that were begun.
    pub attempt: i64,
    /// The latest claim, while it counts.
    pub claim_id: Option<String>,
    /// Until when the latest claim holds.
    #[sqlx(try_from = "MaybeMicros")]
    pub lease_until: Option<Timestamp>,
    /// Why the latest attempt failed.
    pub last_error: Option<String>,
}

statements! {
    INSERT: "INSERT INTO outbox (id, event_id, destination, state, due_at, attempt) VALUES ($1, $2, $3, 'open', $4, 0)";
    COMPLETE: "UPDATE outbox SET state = 'delivered', claim_id = NULL, lease_until = NULL, last_error = NULL \
               WHERE id = $1 AND claim_id = $2 AND state = 'open'";
    RELEASE: "UPDATE outbox SET due_at = $3, last_error = $4, claim_id = NULL, lease_until = NULL \
              WHERE id = $1 AND claim_id = $2 AND state = 'open'";
    GIVE_UP: "UPDATE outbox SET state = 'dropped', last_error = $3, claim_id = NULL, lease_until = NULL \
              WHERE id = $1 AND claim_id = $2 AND state = 'open'";
    BY_EVENT: "SELECT id, event_id, destination, state, due_at, attempt, claim_id, lease_until, last_error \
               FROM outbox WHERE event_id = $1 ORDER BY id";
}

/// Only [`Tx::append`] adds deliveries, so that none is without its event.
pub(crate) async fn insert(tx: &mut Tx, event_id: &str, new: &NewDelivery) -> Result<(), StoreError> {
    execute!(tx, INSERT, &new.id, event_id, &new.destination, new.due_at.micros()).map(drop)
}

/// Claims up to `batch` deliveries that are due and that nobody holds, oldest first. `claim_id` must be
/// fresh: it alone tells this claim from all others.
pub async fn claim(
    tx: &mut Tx,
    claim_id: &str,
    batch: u32,
    now: Timestamp,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    let (until, batch) = (now.plus(lease).micros(), i64::from(batch));
    let mut claimed = fetch!(tx, fetch_all, Claimed, CLAIM, now.micros(), batch, claim_id, until)?;
    claimed.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
    Ok(claimed)
}

/// The delivery was made. False where the claim no longer counts: then it will be made again.
pub async fn complete(tx: &mut Tx, id: &str, claim_id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, COMPLETE, id, claim_id)? == 1)
}

/// The attempt failed; another may be made from `due_at` on. False where the claim no longer counts.
pub async fn release(
    tx: &mut Tx,
    id: &str,
    claim_id: &str,
    due_at: Timestamp,
    error: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, RELEASE, id, claim_id, due_at.micros(), error)? == 1)
}

/// No further attempt is made. False where the claim no longer counts.
pub async fn give_up(tx: &mut Tx, id: &str, claim_id: &str, error: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, GIVE_UP, id, claim_id, error)? == 1)
}

/// The deliveries of an event.
pub async fn of_event(conn: &mut Conn, event_id: &str) -> Result<Vec<Delivery>, StoreError> {
    fetch!(conn, fetch_all, Delivery, BY_EVENT, event_id)
}
