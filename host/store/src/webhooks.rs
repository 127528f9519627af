//! Webhook endpoints: where an organisation's events are told. Their signing secrets are in [`crate::secrets`], with
//! the endpoint as the owner.

use std::time::Duration;

use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook;
use hardpoint_domain::webhook::breaker::{self, Breaker};

use crate::columns::{JsonTexts, MaybeMicros, Micros, json_texts};
use crate::db::{execute, fetch, statements};
use crate::events::NewDelivery;
use crate::{Conn, StoreError, Tx, Window};

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Endpoint {
    /// `whe_…`.
    pub id: String,
    /// Whose events it is told.
    pub organization_id: String,
    /// Where to.
    pub url: String,
    /// For people; may be empty.
    pub description: String,
    /// Names and patterns: see [`webhook::takes`].
    #[sqlx(try_from = "JsonTexts")]
    pub events: Vec<String>,
    /// Whether it is told anything.
    pub is_enabled: bool,
    /// Why not, where nobody switched it off.
    pub disabled_reason: Option<String>,
    /// How long the secret before the present one signs as well.
    #[sqlx(try_from = "MaybeMicros")]
    pub previous_until: Option<Timestamp>,
    /// How it has been doing.
    #[sqlx(flatten)]
    pub health: Health,
    /// When it was made.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When anything but its health was last written.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

/// The columns of a [`Breaker`].
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Health {
    failures: i64,
    #[sqlx(try_from = "MaybeMicros")]
    probe_at: Option<Timestamp>,
    #[sqlx(try_from = "MaybeMicros")]
    recovered_at: Option<Timestamp>,
}

impl From<&Health> for Breaker {
    fn from(health: &Health) -> Self {
        Self {
            failures: u32::try_from(health.failures).unwrap_or(u32::MAX),
            probe_at: health.probe_at,
            recovered_at: health.recovered_at,
        }
    }
}

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "id, organization_id, url, description, events, is_enabled, disabled_reason, previous_until, failures, \
             probe_at, recovered_at, created_at, updated_at",
            $after
        )
    };
}

statements! {
    INSERT: columns!(
        "INSERT INTO webhook_endpoints (",
        ") VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, 0, NULL, NULL, $7, $7)"
    );
    GET: columns!("SELECT ", " FROM webhook_endpoints WHERE id = $1");
    LIST: columns!(
        "SELECT ",
        " FROM webhook_endpoints WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
    );
    COUNT: "SELECT COUNT(*) FROM webhook_endpoints WHERE organization_id = $1";
    HOLD: columns!("UPDATE webhook_endpoints SET url = url WHERE id = $1 RETURNING ", "");
    UPDATE: "UPDATE webhook_endpoints SET url = $2, description = $3, events = $4, is_enabled = $5, \
             disabled_reason = $6, previous_until = $7, updated_at = $8 WHERE id = $1";
    SET_HEALTH: "UPDATE webhook_endpoints SET failures = $2, probe_at = $3, recovered_at = $4 WHERE id = $1";
    DELETE: "DELETE FROM webhook_endpoints WHERE id = $1";
    WITH_WORK: "SELECT e.id FROM webhook_endpoints e WHERE e.is_enabled AND CASE \
                WHEN e.probe_at > $1 AND e.probe_at <= $2 THEN FALSE \
                WHEN e.probe_at IS NOT NULL OR e.recovered_at IS NOT NULL THEN \
                EXISTS (SELECT 1 FROM outbox o WHERE o.destination = e.id AND o.state = 'open') \
                ELSE EXISTS (SELECT 1 FROM outbox o WHERE o.destination = e.id AND o.state = 'open' \
                AND o.due_at <= $1 AND (o.lease_until IS NULL OR o.lease_until <= $1 OR o.lease_until > $3)) END ORDER BY e.id";
}

/// Makes an endpoint. An unknown organisation is `Dangling`.
pub async fn create(tx: &mut Tx, endpoint: &Endpoint) -> Result<(), StoreError> {
    let Endpoint { id, organization_id, url, description, events, is_enabled, created_at, .. } = endpoint;
    let events = json_texts(events);
    let created = created_at.micros();
    execute!(tx, INSERT, id, organization_id, url, description, events, *is_enabled, created).map(drop)
}

/// An endpoint of any organisation.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Endpoint>, StoreError> {
    fetch!(conn, fetch_optional, Endpoint, GET, id)
}

/// An organisation's endpoints, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    window: Window,
) -> Result<Vec<Endpoint>, StoreError> {
    fetch!(conn, fetch_all, Endpoint, LIST, organization_id, window.limit, window.offset)
}

/// How many endpoints an organisation has.
pub async fn count(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id)?;
    Ok(count)
}

/// An endpoint as it is and stays until this transaction ends: whoever else would change it waits.
pub async fn hold(tx: &mut Tx, id: &str) -> Result<Option<Endpoint>, StoreError> {
    fetch!(tx, fetch_optional, Endpoint, HOLD, id)
}

/// Writes everything of an endpoint but its health; false where it is not there.
pub async fn update(tx: &mut Tx, endpoint: &Endpoint) -> Result<bool, StoreError> {
    let Endpoint { id, url, description, events, is_enabled, disabled_reason, .. } = endpoint;
    let (events, updated) = (json_texts(events), endpoint.updated_at.micros());
    let (reason, previous) = (disabled_reason.as_deref(), endpoint.previous_until.map(Timestamp::micros));
    let written = execute!(tx, UPDATE, id, url, description, events, *is_enabled, reason, previous, updated)?;
    Ok(written == 1)
}

/// Writes how an endpoint has been doing.
pub async fn set_health(tx: &mut Tx, id: &str, breaker: &Breaker) -> Result<(), StoreError> {
    let (probe, recovered) =
        (breaker.probe_at.map(Timestamp::micros), breaker.recovered_at.map(Timestamp::micros));
    execute!(tx, SET_HEALTH, id, i64::from(breaker.failures), probe, recovered).map(drop)
}

/// Forgets an endpoint; false where there is none. What was queued for it ends unsent.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, id)? == 1)
}

/// The endpoints to which something may be sent now, of all organisations. Claims are for `lease`: one for more than twice
/// as long holds nothing.
pub async fn with_work(conn: &mut Conn, now: Timestamp, lease: Duration) -> Result<Vec<String>, StoreError> {
    let (latest, held) = (now.plus(breaker::LONGEST_PAUSE).micros(), now.plus(2 * lease).micros());
    let found = fetch!(conn, fetch_all, (String,), WITH_WORK, now.micros(), latest, held)?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// To whom an event is to be told: those of its organisation's endpoints that take it. `endpoints` is what
/// [`crate::events_dialect::INSERT`] gives.
pub(crate) fn deliveries_of(event: &Event, endpoints: Option<&str>) -> Result<Vec<NewDelivery>, StoreError> {
    if event.organization_id.is_none() || webhook::name(event).is_none() {
        return Ok(Vec::new());
    }
    let broken = |error| StoreError::Corrupt(format!("webhook endpoints: {error}"));
    let all: Vec<(String, String)> = serde_json::from_str(endpoints.unwrap_or("[]")).map_err(broken)?;
    let mut told = Vec::new();
    for (id, events) in all {
        let events: Vec<String> = serde_json::from_str(&events).map_err(broken)?;
        if webhook::is_told(event, &id, &events) {
            told.push(NewDelivery::of(event, id));
        }
    }
    Ok(told)
}
