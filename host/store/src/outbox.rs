//! Deliveries of events to webhook endpoints: those that are still to be made, who is making them, and what became of
//! the others.
//!
//! A claim is a fresh id and a lease. Who claims may deliver until the lease ends; after that anyone may
//! claim again, and the first claimer's word no longer counts once somebody did. So a delivery is made at
//! least once, and never by two at a time as long as leases are longer than deliveries take.

use std::collections::HashSet;
use std::time::Duration;

use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::columns::{MaybeMicros, Micros, words};
use crate::db::{execute, fetch, statements};
use crate::events::NewDelivery;
use crate::outbox_dialect::{CLAIM_DUE, CLAIM_EARLY, MADE, UNCLAIM};
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// How far a delivery is.
    pub enum State {
        /// To be made: waiting, or claimed.
        Open = "open",
        /// Made.
        Delivered = "delivered",
        /// Given up: a dead letter.
        Dropped = "dropped",
    }
}

/// Attempts that are kept with a delivery, the latest.
const KEPT: usize = 20;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
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
    /// The event's kind.
    pub kind: String,
    /// When the event happened.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// How far it is.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// When its schedule began.
    #[sqlx(try_from = "Micros")]
    pub accepted_at: Timestamp,
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
    /// When it was made or given up.
    #[sqlx(try_from = "MaybeMicros")]
    pub ended_at: Option<Timestamp>,
    /// Why the latest attempt failed.
    pub last_error: Option<String>,
    /// The latest attempts, oldest first.
    #[sqlx(try_from = "AttemptsJson")]
    pub attempts: Vec<Attempt>,
}

/// A delivery that was claimed, with what is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// The delivery.
    #[sqlx(flatten)]
    pub delivery: Delivery,
    /// The canonical bytes of its event; none where they were purged.
    pub body: Option<Vec<u8>>,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was made.
    Delivered,
    /// It failed; it is due again then.
    Again(Timestamp),
    /// It failed, and no further attempt is made.
    Dropped,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct GivenUp {
    /// `dlv_…`.
    pub id: String,
    /// Where it was to go.
    pub destination: String,
    /// The event.
    pub event_id: String,
    /// Its kind.
    pub kind: String,
    /// Why it was not made.
    pub last_error: Option<String>,
}

/// A `TEXT` column with attempts as JSON.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct AttemptsJson(String);

impl TryFrom<AttemptsJson> for Vec<Attempt> {
    type Error = serde_json::Error;

    fn try_from(json: AttemptsJson) -> Result<Self, Self::Error> {
        serde_json::from_str(&json.0)
    }
}

/// How many deliveries of an endpoint are how far.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tally {
    /// The endpoint.
    pub destination: String,
    /// How far.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// So many deliveries …
    pub deliveries: i64,
    /// … and attempts at them.
    pub attempts: i64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, event_id, destination, kind, created_at, state, accepted_at, due_at, attempt, claim_id, \
             lease_until, ended_at, last_error, attempts FROM outbox ",
            $rest
        )
    };
}

// What picks rows in a subselect says its conditions again outside: PostgreSQL waits for who has a row, and then looks at
// what stands outside alone.
statements! {
    INSERT: "INSERT INTO outbox (id, event_id, destination, kind, created_at, state, accepted_at, due_at, attempt, \
             attempts) VALUES ($1, $2, $3, $4, $5, 'open', $6, $6, 0, '[]')";
    SETTLE: "UPDATE outbox SET state = $3, due_at = COALESCE($4, due_at), ended_at = $5, last_error = $6, \
             attempts = $7, claim_id = NULL, lease_until = NULL WHERE id = $1 AND claim_id = $2 AND state = 'open'";
    UNCLAIM_ALL: "UPDATE outbox SET claim_id = NULL, lease_until = NULL \
                  WHERE state = 'open' AND lease_until IS NOT NULL";
    BY_EVENT: select!("WHERE event_id = $1 ORDER BY id");
    GET: select!("WHERE id = $1 AND destination = $2");
    LIST: select!("WHERE destination = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    LIST_IN_STATE: select!(
        "WHERE destination = $1 AND state = $4 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
    );
    COUNT: "SELECT COUNT(*) FROM outbox WHERE destination = $1";
    COUNT_IN_STATE: "SELECT COUNT(*) FROM outbox WHERE destination = $1 AND state = $2";
    REPLAY: "UPDATE outbox SET state = 'open', accepted_at = $3, due_at = $3, attempted_at = NULL, ended_at = NULL, \
             last_error = NULL WHERE id = $1 AND destination = $2 AND state <> 'open'";
    SOONER: "UPDATE outbox SET due_at = $3 WHERE id = $1 AND destination = $2 AND state = 'open' AND due_at > $3 \
             AND (lease_until IS NULL OR lease_until <= $3)";
    // What was begun anew at $3 and given up at once is told by that. Others may have been accepted after $3, by a host whose
    // clock is ahead of this one's.
    REPLAY_SINCE: "UPDATE outbox SET state = 'open', accepted_at = $3, due_at = $3, attempted_at = NULL, \
                   ended_at = NULL, last_error = NULL WHERE id IN (SELECT id FROM outbox WHERE destination = $1 \
                   AND created_at >= $2 AND state = 'dropped' AND accepted_at <> $3 ORDER BY created_at, id LIMIT $4) \
                   AND state = 'dropped'";
    EXPIRE: "UPDATE outbox SET state = 'dropped', ended_at = $2, claim_id = NULL, lease_until = NULL, \
             last_error = COALESCE(last_error, $3) WHERE id IN (SELECT id FROM outbox WHERE ended_at IS NULL \
             AND accepted_at <= $1 AND (lease_until IS NULL OR lease_until <= $2) ORDER BY accepted_at LIMIT $4) \
             AND state = 'open' AND accepted_at <= $1 AND (lease_until IS NULL OR lease_until <= $2) \
             RETURNING id, destination, event_id, kind, last_error";
    FORGET: "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE ended_at <= $1 ORDER BY ended_at LIMIT $2) \
             AND ended_at <= $1";
    TALLY: "SELECT o.destination, o.state, COUNT(*) AS deliveries, CAST(SUM(o.attempt) AS BIGINT) AS attempts \
            FROM webhook_endpoints e JOIN outbox o ON o.destination = e.id \
            WHERE e.organization_id = $1 AND o.created_at >= $2 \
            GROUP BY o.destination, o.state ORDER BY o.destination, o.state";
    FAILING: "SELECT o.id, o.event_id, o.destination, o.kind, o.created_at, o.state, o.accepted_at, o.due_at, \
              o.attempt, o.claim_id, o.lease_until, o.ended_at, o.last_error, o.attempts \
              FROM webhook_endpoints e JOIN outbox o ON o.destination = e.id \
              WHERE e.organization_id = $1 AND o.created_at >= $2 AND o.last_error IS NOT NULL \
              ORDER BY o.created_at DESC, o.id DESC LIMIT $3";
}

/// Only [`Tx::append`] adds deliveries, so that none is without its event.
pub(crate) async fn insert(tx: &mut Tx, event: &Event, new: &NewDelivery) -> Result<(), StoreError> {
    let (created, due) = (event.time.micros(), new.due_at.micros());
    execute!(tx, INSERT, &new.id, &event.id, &new.destination, &event.kind, created, due).map(drop)
}

/// Claims up to `batch` deliveries to an endpoint that are due and that nobody holds, oldest first. `claim_id` must
/// be fresh: it alone tells this claim from all others.
pub async fn claim(
    tx: &mut Tx,
    destination: &str,
    claim_id: &str,
    batch: u32,
    now: Timestamp,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    let (until, batch, now) = (now.plus(lease).micros(), i64::from(batch), now.micros());
    let claimed = fetch!(tx, fetch_all, Claimed, CLAIM_DUE, now, batch, claim_id, until, destination)?;
    Ok(in_turn(claimed))
}

/// The same, also of those that are not due but were last tried at `tried_until` or before.
pub async fn claim_early(
    tx: &mut Tx,
    destination: &str,
    claim_id: &str,
    batch: u32,
    now: Timestamp,
    lease: Duration,
    tried_until: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    let (until, batch, now) = (now.plus(lease).micros(), i64::from(batch), now.micros());
    let tried = tried_until.micros();
    let claimed =
        fetch!(tx, fetch_all, Claimed, CLAIM_EARLY, now, batch, claim_id, until, destination, tried)?;
    Ok(in_turn(claimed))
}

fn in_turn(mut claimed: Vec<Claimed>) -> Vec<Claimed> {
    claimed.sort_by(|Claimed { delivery: a, .. }, Claimed { delivery: b, .. }| {
        (a.due_at, &a.id).cmp(&(b.due_at, &b.id))
    });
    claimed
}

/// Writes down an attempt at a delivery that was claimed, and what becomes of it. False where the claim no longer
/// counts: then it will be made again.
pub async fn settle(
    tx: &mut Tx,
    claimed: &Delivery,
    attempt: Attempt,
    settlement: Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, due, ended) = match settlement {
        Settlement::Delivered => (State::Delivered, None, Some(now)),
        Settlement::Again(due) => (State::Open, Some(due), None),
        Settlement::Dropped => (State::Dropped, None, Some(now)),
    };
    let (error, attempts) = (attempt.error.clone(), attempts_with(claimed, attempt)?);
    let claim_id = claimed.claim_id.as_deref();
    let (due, ended) = (due.map(Timestamp::micros), ended.map(Timestamp::micros));
    Ok(execute!(tx, SETTLE, &claimed.id, claim_id, state.as_str(), due, ended, error, attempts)? == 1)
}

/// Writes down of deliveries that were claimed that they were made, each with the attempt that did it, as [`settle`]
/// does of one. Gives the ids of those whose claims still counted: the others will be made again.
pub async fn made(
    tx: &mut Tx,
    made: &[(&Delivery, Attempt)],
    now: Timestamp,
) -> Result<HashSet<String>, StoreError> {
    let row = |(claimed, attempt): &(&Delivery, Attempt)| {
        let attempts = attempts_with(claimed, attempt.clone())?;
        Ok(json!({ "id": claimed.id, "claim_id": claimed.claim_id, "attempts": attempts }))
    };
    let rows = made.iter().map(row).collect::<Result<Value, StoreError>>()?;
    let counted = fetch!(tx, fetch_all, (String,), MADE, rows.to_string(), now.micros())?;
    Ok(counted.into_iter().map(|(id,)| id).collect())
}

/// The attempts of a delivery that are kept, as JSON.
fn attempts_with(claimed: &Delivery, attempt: Attempt) -> Result<String, StoreError> {
    let mut attempts = claimed.attempts.clone();
    attempts.push(attempt);
    serde_json::to_string(&attempts[attempts.len().saturating_sub(KEPT)..])
        .map_err(|error| StoreError::InvalidValue(format!("attempts: {error}")))
}

/// Gives back what was claimed and not tried. How many of the claims still counted.
pub async fn unclaim(tx: &mut Tx, claimed: &[Delivery]) -> Result<u64, StoreError> {
    let row = |claimed: &Delivery| json!({ "id": claimed.id, "claim_id": claimed.claim_id });
    execute!(tx, UNCLAIM, claimed.iter().map(row).collect::<Value>().to_string())
}

/// Ends all claims: for a host that has its database to itself, before it claims anything.
pub async fn unclaim_all(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, UNCLAIM_ALL).map(drop)
}

/// The deliveries of an event.
pub async fn of_event(conn: &mut Conn, event_id: &str) -> Result<Vec<Delivery>, StoreError> {
    fetch!(conn, fetch_all, Delivery, BY_EVENT, event_id)
}

/// A delivery to this endpoint.
pub async fn get(conn: &mut Conn, destination: &str, id: &str) -> Result<Option<Delivery>, StoreError> {
    fetch!(conn, fetch_optional, Delivery, GET, id, destination)
}

/// The deliveries to an endpoint, of all states or one, those of the newest events first; and how many there are.
pub async fn list(
    conn: &mut Conn,
    destination: &str,
    state: Option<State>,
    Window { limit, offset }: Window,
) -> Result<(Vec<Delivery>, i64), StoreError> {
    let Some(state) = state else {
        let found = fetch!(conn, fetch_all, Delivery, LIST, destination, limit, offset)?;
        let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, destination)?;
        return Ok((found, count));
    };
    let state = state.as_str();
    let found = fetch!(conn, fetch_all, Delivery, LIST_IN_STATE, destination, limit, offset, state)?;
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_IN_STATE, destination, state)?;
    Ok((found, count))
}

/// Begins a delivery anew that was made or given up, or makes one due that waits for its next attempt. False where
/// there is none such.
pub async fn replay(tx: &mut Tx, destination: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let now = now.micros();
    let begun = execute!(tx, REPLAY, id, destination, now)?;
    Ok(begun == 1 || execute!(tx, SOONER, id, destination, now)? == 1)
}

/// Begins up to `batch` deliveries anew that were given up, of events since then; how many. None twice at the same `now`,
/// though it be given up again meanwhile.
pub async fn replay_since(
    tx: &mut Tx,
    destination: &str,
    since: Timestamp,
    now: Timestamp,
    batch: i64,
) -> Result<u64, StoreError> {
    execute!(tx, REPLAY_SINCE, destination, since.micros(), now.micros(), batch)
}

/// Gives up to `batch` deliveries up that were accepted at `accepted_until` or before, and are not made yet.
pub async fn expire(
    tx: &mut Tx,
    accepted_until: Timestamp,
    now: Timestamp,
    reason: &str,
    batch: i64,
) -> Result<Vec<GivenUp>, StoreError> {
    fetch!(tx, fetch_all, GivenUp, EXPIRE, accepted_until.micros(), now.micros(), reason, batch)
}

/// Forgets up to `batch` deliveries that ended at `ended_until` or before; how many.
pub async fn forget(tx: &mut Tx, ended_until: Timestamp, batch: i64) -> Result<u64, StoreError> {
    execute!(tx, FORGET, ended_until.micros(), batch)
}

/// How far the deliveries of an organisation's events since then are, by endpoint.
pub async fn tally(
    conn: &mut Conn,
    organization_id: &str,
    since: Timestamp,
) -> Result<Vec<Tally>, StoreError> {
    fetch!(conn, fetch_all, Tally, TALLY, organization_id, since.micros())
}

/// The deliveries of an organisation's events since then whose latest attempt failed, the newest `limit`.
pub async fn failing(
    conn: &mut Conn,
    organization_id: &str,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    fetch!(conn, fetch_all, Delivery, FAILING, organization_id, since.micros(), limit)
}
