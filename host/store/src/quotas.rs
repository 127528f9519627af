//! What hosts leased of limits: one row for each limit, with the window that it is in. See
//! [`hardpoint_domain::quota`].

use hardpoint_domain::quota::{Count, Lease, Wish};
use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{StoreError, Tx};

/// A window as its row has it.
#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(try_from = "Micros")]
    begin_at: Timestamp,
    granted: i64,
}

statements! {
    /// Locks the row, and begins the window where it is a later one, or where that of the row is after `$5`: no clock
    /// is so far ahead that is right.
    LOCK: "INSERT INTO quota_windows (subject, meter, period, begin_at, granted) VALUES ($1, $2, $3, $4, 0) \
           ON CONFLICT (subject, meter, period) DO UPDATE SET \
           granted = CASE WHEN quota_windows.begin_at BETWEEN excluded.begin_at AND $5 \
           THEN quota_windows.granted ELSE 0 END, \
           begin_at = CASE WHEN quota_windows.begin_at BETWEEN excluded.begin_at AND $5 \
           THEN quota_windows.begin_at ELSE excluded.begin_at END RETURNING begin_at, granted";
    GRANT: "UPDATE quota_windows SET granted = granted + $4 WHERE subject = $1 AND meter = $2 AND period = $3";
}

/// Leases as much of each limit as is wished, or what is left of it. Together, leases of one window never exceed
/// the limit; a window that others have left already gives nothing.
pub async fn lease(tx: &mut Tx, mut wishes: Vec<Wish>) -> Result<Vec<Lease>, StoreError> {
    // Hosts that lock the same rows do so in the same order.
    wishes.sort_by(|one, other| one.limit.count.cmp(&other.limit.count));
    let mut leases = Vec::with_capacity(wishes.len());
    for Wish { limit, begin, size } in wishes {
        let Count { subject, meter, window } = &limit.count;
        let latest = begin.plus(window.plausible());
        let (subject, meter, window) = (&**subject, meter.as_str(), window.as_str());
        let row = fetch!(tx, fetch_one, Row, LOCK, subject, meter, window, begin.micros(), latest.micros())?;
        let granted = u64::try_from(row.granted).unwrap_or(0);
        let free = if row.begin_at == begin { limit.most.saturating_sub(granted) } else { 0 };
        let is_last = free < size;
        let size = size.min(free);
        if size > 0 {
            let more = i64::try_from(size).unwrap_or(i64::MAX);
            execute!(tx, GRANT, subject, meter, window, more)?;
        }
        leases.push(Lease { limit, begin, size, granted: granted + size, is_last });
    }
    Ok(leases)
}
