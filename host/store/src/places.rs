//! Places for requests at once that hosts lease: see [`hardpoint_domain::places`].
//!
//! A host holds them under an id of its own, which it renews. One that was silent for too long has its id taken away
//! by another, and all its places with it; it makes itself another id then.

use hardpoint_domain::places::{Held, Want};
use hardpoint_domain::quota::Meter;
use hardpoint_domain::time::Timestamp;

use crate::db::{execute, fetch, statements};
use crate::{StoreError, Tx, organizations};

/// How many places a host is to be noted with: it needs no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose requests they are for.
    pub organization_id: String,
    /// Of which sort.
    pub meter: Meter,
    /// How many.
    pub held: u32,
}

statements! {
    BEGIN: "INSERT INTO place_holders (id, expires_at) VALUES ($1, $2)";
    RENEW: "UPDATE place_holders SET expires_at = $2 WHERE id = $1";
    END: "DELETE FROM place_holders WHERE id = $1";
    END_SILENT: "DELETE FROM place_holders WHERE expires_at < $1";
    KEEP: "UPDATE place_leases SET held = $4 WHERE organization_id = $1 AND meter = $2 AND holder = $3 AND held > $4";
    SUM: "SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT), \
          CAST(COALESCE(SUM(CASE WHEN holder = $3 THEN held ELSE 0 END), 0) AS BIGINT) \
          FROM place_leases WHERE organization_id = $1 AND meter = $2";
    HOLD: "INSERT INTO place_leases (organization_id, meter, holder, held) VALUES ($1, $2, $3, $4) \
           ON CONFLICT (organization_id, meter, holder) DO UPDATE SET held = excluded.held";
}

/// Begins to hold places under an id. A taken one is `Duplicate`.
pub async fn begin(tx: &mut Tx, holder: &str, until: Timestamp) -> Result<(), StoreError> {
    execute!(tx, BEGIN, holder, until.micros()).map(drop)
}

/// Keeps a holder's places for another while; false where they were given to others.
pub async fn renew(tx: &mut Tx, holder: &str, until: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, RENEW, holder, until.micros())? == 1)
}

/// Gives all of a holder's places back.
pub async fn end(tx: &mut Tx, holder: &str) -> Result<(), StoreError> {
    execute!(tx, END, holder).map(drop)
}

/// Takes the places of those back who were silent for too long. Says how many they were.
pub async fn end_silent(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    execute!(tx, END_SILENT, now.micros())
}

/// Notes that a holder needs no more than this.
pub async fn keep(tx: &mut Tx, holder: &str, mut kept: Vec<Kept>) -> Result<(), StoreError> {
    // As leases lock them.
    kept.sort_by(|one, other| (&one.organization_id, one.meter).cmp(&(&other.organization_id, other.meter)));
    for Kept { organization_id, meter, held } in kept {
        execute!(tx, KEEP, &organization_id, meter.as_str(), holder, i64::from(held))?;
    }
    Ok(())
}

/// Leases as many places of each limit as are wanted, or what is left of them. All hosts' leases together never exceed
/// a limit, unless it was lowered; then nothing is given until they do no more. A holder that is gone is `Dangling`.
pub async fn lease(
    tx: &mut Tx,
    organization_id: &str,
    holder: &str,
    wants: Vec<Want>,
) -> Result<Vec<Held>, StoreError> {
    // Whoever sums up and takes does so alone.
    organizations::hold(tx, organization_id).await?;
    let mut leases = Vec::with_capacity(wants.len());
    for Want { at_once, held, more } in wants {
        let meter = at_once.meter.as_str();
        let (all, own): (i64, i64) = fetch!(tx, fetch_one, (i64, i64), SUM, organization_id, meter, holder)?;
        // What the host knows nothing of it does not use.
        let kept = own.min(i64::from(held));
        let others = all - own;
        let free = (i64::from(at_once.most) - others - kept).max(0);
        let now_held = kept + free.min(i64::from(more));
        if now_held != own {
            execute!(tx, HOLD, organization_id, meter, holder, now_held)?;
        }
        let count = |places: i64| u32::try_from(places).unwrap_or(0);
        leases.push(Held { at_once, held: count(now_held), all: count(others + now_held) });
    }
    Ok(leases)
}
