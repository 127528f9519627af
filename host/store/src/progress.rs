//! What long requests have cost so far: their call records, as they would be if their host ended now.

use crate::call_records::CallRecord;
use crate::db::{execute, fetch, statements};
use crate::{StoreError, Tx};

statements! {
    PUT: "INSERT INTO credit_progress (request_id, lease_id, record) VALUES ($1, $2, $3) \
          ON CONFLICT (request_id) DO UPDATE SET lease_id = excluded.lease_id, record = excluded.record";
    TAKE: "DELETE FROM credit_progress WHERE lease_id = $1 RETURNING record";
    FORGET: "DELETE FROM credit_progress WHERE request_id = $1";
}

/// Notes how far a request is, and the lease that it is charged to.
pub async fn put(tx: &mut Tx, lease: &str, record: &CallRecord) -> Result<(), StoreError> {
    let text = serde_json::to_string(record)
        .map_err(|error| StoreError::InvalidValue(format!("the record {}: {error}", record.id)))?;
    execute!(tx, PUT, &record.request_id, lease, text).map(drop)
}

/// Forgets a request that has its record.
pub async fn forget(tx: &mut Tx, request_id: &str) -> Result<(), StoreError> {
    execute!(tx, FORGET, request_id).map(drop)
}

/// Takes out what is noted of a lease.
pub(crate) async fn take(tx: &mut Tx, lease: &str) -> Result<Vec<CallRecord>, StoreError> {
    let found: Vec<(String,)> = fetch!(tx, fetch_all, (String,), TAKE, lease)?;
    let read = |(text,): (String,)| {
        // Another version's, say. Its lease goes back all the same: one such row must not hold up all others.
        let unreadable = |error| tracing::error!(lease, %error, "the progress of a request cannot be read");
        serde_json::from_str(&text).map_err(unreadable).ok()
    };
    Ok(found.into_iter().filter_map(read).collect())
}
