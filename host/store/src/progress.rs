//! What long requests have cost so far: their call records, as they would be if their host ended now.

use std::collections::BTreeMap;

use crate::call_records::CallRecord;
use crate::db::{execute, fetch, statements};
use crate::{StoreError, Tx, leases};

statements! {
    PUT: "INSERT INTO credit_progress (request_id, lease_id, record) VALUES ($1, $2, $3) \
          ON CONFLICT (request_id) DO UPDATE SET lease_id = excluded.lease_id, record = excluded.record";
    TAKE: "DELETE FROM credit_progress WHERE lease_id = $1 RETURNING record";
    FORGET: "DELETE FROM credit_progress WHERE request_id = $1";
}

/// Notes how far requests are, each with the lease that it is charged to. What belongs to a lease that is closed is
/// left out: nobody would ever take it out again.
pub async fn put(tx: &mut Tx, noted: &[(String, CallRecord)]) -> Result<(), StoreError> {
    // In the order in which all others lock leases, and then these.
    let mut open = BTreeMap::new();
    for (lease, _) in noted {
        open.insert(&**lease, false);
    }
    for (lease, is_open) in &mut open {
        *is_open = leases::keep(tx, lease).await?;
    }
    let mut noted: Vec<_> = noted.iter().filter(|(lease, _)| open[&**lease]).collect();
    noted.sort_unstable_by(|(_, one), (_, other)| one.request_id.cmp(&other.request_id));
    for (lease, record) in noted {
        let text = serde_json::to_string(record)
            .map_err(|error| StoreError::InvalidValue(format!("the record {}: {error}", record.id)))?;
        execute!(tx, PUT, &record.request_id, lease, text)?;
    }
    Ok(())
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
