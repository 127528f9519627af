//! Events, and their deliveries, in the transaction that changes the state.

use hardpoint_domain::chain;
use hardpoint_domain::event::Event;
use hardpoint_domain::event_kinds::{Whose, whose};
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook;

use crate::db::{fetch, statements};
use crate::events_dialect::INSERT;
use crate::{Conn, StoreError, Tx, outbox, webhooks};

/// One delivery that an event causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// `dlv_…`.
    pub id: String,
    /// Where it is to go: the id of a webhook endpoint.
    pub destination: String,
    /// From when on it may be tried.
    pub due_at: Timestamp,
}

impl NewDelivery {
    /// Of an event to an endpoint, at once.
    pub fn of(event: &Event, endpoint_id: String) -> Self {
        let id = webhook::delivery_id(&event.id, &endpoint_id, event.time);
        Self { id, destination: endpoint_id, due_at: event.time }
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// What happened.
    pub event: Event,
    /// Its canonical bytes: what is signed, hashed and delivered.
    pub body: Vec<u8>,
}

/// Where a page of events ends and the next begins.
pub use crate::call_records::Cursor;

statements! {
    LIST: "SELECT body FROM events WHERE (time, id) < ($1, $2) AND body IS NOT NULL ORDER BY time DESC, id DESC LIMIT $3";
    LIST_BY_ORGANIZATION: "SELECT body FROM events WHERE (time, id) < ($1, $2) AND organization_id = $4 \
                           AND body IS NOT NULL ORDER BY time DESC, id DESC LIMIT $3";
    GET: "SELECT body FROM events WHERE id = $1 AND body IS NOT NULL";
    OF_REQUEST: "SELECT body FROM events WHERE request_id = $1 AND (CAST($2 AS TEXT) IS NULL OR organization_id = $2) \
                 AND body IS NOT NULL ORDER BY time, id LIMIT $3";
    AFTER: "SELECT seq, body FROM events WHERE seq > $1 AND body IS NOT NULL ORDER BY seq LIMIT $2";
    AFTER_OF_ORGANIZATION: "SELECT seq, body FROM events WHERE organization_id = $3 AND seq > $1 \
                            AND body IS NOT NULL ORDER BY seq LIMIT $2";
}

impl Tx {
    /// Writes down what this transaction does, and queues it for the webhook endpoints that are told; `deliveries`
    /// are beside those. Either all of it comes to be or nothing: there is no other way to write an event.
    pub async fn append(&mut self, event: &Event, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        debug_assert!(
            matches!(
                (whose(&event.kind), &event.organization_id),
                (Some(Whose::Organization), _) | (Some(Whose::Platform), None)
            ),
            "{} is not among the kinds of domain/event_kinds.rs, or is said there to be the platform's alone",
            event.kind
        );
        let body = serde_json::to_vec(event)
            .map_err(|error| StoreError::InvalidValue(format!("the event {}: {error}", event.id)))?;
        let hash = chain::body_hash(&body).to_vec();
        let (endpoints,) = fetch!(
            self,
            fetch_one,
            (Option<String>,),
            INSERT,
            &event.id,
            event.time.micros(),
            event.organization_id.as_deref(),
            &event.kind,
            body,
            hash,
            event.workspace_id.as_deref(),
            event.actor.id.as_deref(),
            &event.target.id,
            event.request_id.as_deref(),
        )?;
        self.note_appended();
        let told = webhooks::deliveries_of(event, endpoints.as_deref())?;
        for delivery in told.iter().chain(deliveries) {
            outbox::insert(self, event, delivery).await?;
            self.note_delivery(&delivery.destination);
        }
        Ok(())
    }
}

/// One event; none where its body was purged.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<StoredEvent>, StoreError> {
    fetch!(conn, fetch_optional, (Vec<u8>,), GET, id)?.map(read).transpose()
}

/// Events after a place in the log, in its order, each with its own place; of one organisation or of all, at most
/// `limit`. Events that were not numbered yet come later, none of them before what is here; purged ones are left out.
pub async fn after(
    conn: &mut Conn,
    organization_id: Option<&str>,
    seq: i64,
    limit: u32,
) -> Result<Vec<(i64, StoredEvent)>, StoreError> {
    let limit = i64::from(limit);
    let found = match organization_id {
        None => fetch!(conn, fetch_all, (i64, Vec<u8>), AFTER, seq, limit)?,
        Some(organization) => {
            fetch!(conn, fetch_all, (i64, Vec<u8>), AFTER_OF_ORGANIZATION, seq, limit, organization)?
        }
    };
    found.into_iter().map(|(seq, body)| Ok((seq, read((body,))?))).collect()
}

/// What happened in a request, oldest first; of one organisation, or of all and the platform; at most `limit`. Purged
/// events are left out.
pub async fn of_request(
    conn: &mut Conn,
    organization_id: Option<&str>,
    request_id: &str,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let limit = i64::from(limit);
    let found = fetch!(conn, fetch_all, (Vec<u8>,), OF_REQUEST, request_id, organization_id, limit)?;
    found.into_iter().map(read).collect()
}

/// Events newest first, of one organisation or of all, those before `before`; at most `limit`.
pub async fn list(
    conn: &mut Conn,
    organization_id: Option<&str>,
    before: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let (time, id) = before.map_or((i64::MAX, ""), |cursor| (cursor.time.micros(), cursor.id.as_str()));
    let limit = i64::from(limit);
    let found = match organization_id {
        None => fetch!(conn, fetch_all, (Vec<u8>,), LIST, time, id, limit)?,
        Some(organization) => {
            fetch!(conn, fetch_all, (Vec<u8>,), LIST_BY_ORGANIZATION, time, id, limit, organization)?
        }
    };
    found.into_iter().map(read).collect()
}

fn read((body,): (Vec<u8>,)) -> Result<StoredEvent, StoreError> {
    let event =
        serde_json::from_slice(&body).map_err(|error| StoreError::Corrupt(format!("an event: {error}")))?;
    Ok(StoredEvent { event, body })
}
