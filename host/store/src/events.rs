//! Events, and their deliveries, in the transaction that changes the state.

use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;

use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, outbox};

/// One delivery that an event causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// `dlv_…`.
    pub id: String,
    /// Where it is to go: the id of a webhook endpoint or of a standing export.
    pub destination: String,
    /// From when on it may be tried.
    pub due_at: Timestamp,
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
    INSERT: "INSERT INTO events (id, time, organization_id, kind, body) VALUES ($1, $2, $3, $4, $5)";
    LIST: "SELECT body FROM events WHERE (time, id) < ($1, $2) ORDER BY time DESC, id DESC LIMIT $3";
    LIST_BY_ORGANIZATION: "SELECT body FROM events WHERE (time, id) < ($1, $2) AND organization_id = $4 \
                           ORDER BY time DESC, id DESC LIMIT $3";
    GET: "SELECT body FROM events WHERE id = $1";
}

impl Tx {
    /// Writes down what this transaction does, and to whom that is to be told. Either all of it comes to
    /// be or nothing: there is no other way to write an event.
    pub async fn append(&mut self, event: &Event, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        let body = serde_json::to_vec(event)
            .map_err(|error| StoreError::InvalidValue(format!("the event {}: {error}", event.id)))?;
        let organization = event.organization_id.as_deref();
        execute!(self, INSERT, &event.id, event.time.micros(), organization, &event.kind, body)?;
        for delivery in deliveries {
            outbox::insert(self, &event.id, delivery).await?;
        }
        Ok(())
    }
}

/// One event.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<StoredEvent>, StoreError> {
    fetch!(conn, fetch_optional, (Vec<u8>,), GET, id)?.map(read).transpose()
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
