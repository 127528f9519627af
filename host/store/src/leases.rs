//! Leases of credits: spending from them, renewing and closing them.
//!
//! A lease is closed once, by its host or, where that was silent for too long, by another. From then on nothing is
//! spent from it: its id is the fence.

use std::collections::{BTreeMap, BTreeSet};

use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::Spent;
use hardpoint_domain::time::Timestamp;

use crate::call_records::{self, CallRecord};
use crate::columns::{Amount, Micros};
use crate::credits::{self, Transfer};
use crate::db::{execute, fetch, statements};
use crate::leases_dialect::{KEEP, RENEW, SWEEP};
use crate::{Conn, StoreError, Tx, progress};

/// Leases that one sweep closes at most, so that it does not hold up requests.
const SWEPT: i64 = 20;

/// A lease that was closed just now.
#[derive(sqlx::FromRow)]
struct Closed {
    id: String,
    organization_id: String,
    #[sqlx(try_from = "Amount")]
    granted: Credits,
    #[sqlx(try_from = "Amount")]
    spent: Credits,
    #[sqlx(try_from = "Micros")]
    period_begin: Timestamp,
}

statements! {
    LOCK: "UPDATE credit_leases SET spent = spent WHERE id = $1";
    SPEND: "UPDATE credit_leases SET spent = spent + $2 WHERE id = $1 AND is_open";
    CLOSE: "UPDATE credit_leases SET is_open = FALSE WHERE id = $1 AND is_open \
            RETURNING id, organization_id, granted, spent, period_begin";
    ADD_SPENT: "UPDATE credit_leases SET spent = spent + $2 WHERE id = $1";
    EXPIRED: "SELECT id FROM credit_leases WHERE is_open AND expires_at < $1 LIMIT 1";
}

/// Spends from leases; those that are closed already have nothing spent, and are named.
pub(crate) async fn spend(
    tx: &mut Tx,
    spent: impl Iterator<Item = &Spent>,
) -> Result<Vec<String>, StoreError> {
    let mut sums = BTreeMap::<&str, Credits>::new();
    for part in spent {
        *sums.entry(&part.block).or_default() += part.amount;
    }
    let mut lost = Vec::new();
    for (lease, amount) in sums {
        if execute!(tx, SPEND, lease, amount.micros())? == 0 {
            lost.push(lease.to_owned());
        }
    }
    Ok(lost)
}

/// Closes leases: what is left of them goes back, and what was spent is entered. One that is closed already is left.
pub async fn close(tx: &mut Tx, mut ids: Vec<String>, now: Timestamp) -> Result<(), StoreError> {
    ids.sort_unstable();
    let mut closed = Vec::with_capacity(ids.len());
    for id in &ids {
        closed.extend(fetch!(tx, fetch_optional, Closed, CLOSE, id)?);
        progress::take(tx, id).await?;
    }
    settle(tx, closed, now).await
}

/// Keeps leases, of whichever organisations, from being taken back until then; names those that were.
pub async fn renew(tx: &mut Tx, mut ids: Vec<String>, until: Timestamp) -> Result<Vec<String>, StoreError> {
    let list = serde_json::Value::from(ids.as_slice()).to_string();
    let kept: Vec<(String,)> = fetch!(tx, fetch_all, (String,), RENEW, list, until.micros())?;
    let kept: BTreeSet<String> = kept.into_iter().map(|(id,)| id).collect();
    ids.retain(|id| !kept.contains(id));
    Ok(ids)
}

/// Whether a lease is open; if so, nobody closes it until this transaction ends.
pub(crate) async fn keep(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let found: Option<(String,)> = fetch!(tx, fetch_optional, (String,), KEEP, id)?;
    Ok(found.is_some())
}

/// Whether any lease is to be swept.
pub async fn any_expired(conn: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
    let found: Option<(String,)> = fetch!(conn, fetch_optional, (String,), EXPIRED, now.micros())?;
    Ok(found.is_some())
}

/// Closes leases that ended before `end`, their hosts being silent for too long, a few at a time, and charges what
/// their requests were known to have cost: those get the call records that their hosts cannot write any more. Says how
/// many leases there were; those that others are just at are left.
pub async fn sweep(tx: &mut Tx, end: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
    let mut swept = fetch!(tx, fetch_all, Closed, SWEEP, end.micros(), SWEPT)?;
    swept.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    for lease in &mut swept {
        let noted = progress::take(tx, &lease.id).await?;
        let mut records = unwritten(tx, noted).await?;
        let mut left = lease.granted - lease.spent;
        for record in &mut records {
            record.charge = record.charge.min(left).max(Credits::ZERO);
            left -= record.charge;
        }
        let charged: Credits = records.iter().map(|record| record.charge).sum();
        execute!(tx, ADD_SPENT, &lease.id, charged.micros())?;
        lease.spent += charged;
        call_records::insert(tx, &records).await?;
    }
    let count = swept.len();
    settle(tx, swept, now).await?;
    Ok(count)
}

/// Those of the records that are not there yet: a host may have ended a request while its progress was being noted.
async fn unwritten(tx: &mut Tx, noted: Vec<CallRecord>) -> Result<Vec<CallRecord>, StoreError> {
    let mut unwritten = Vec::with_capacity(noted.len());
    for record in noted {
        if !call_records::is_written(tx, &record).await? {
            unwritten.push(record);
        }
    }
    Ok(unwritten)
}

/// Enters what became of leases, and gives back what is left.
async fn settle(tx: &mut Tx, mut closed: Vec<Closed>, now: Timestamp) -> Result<(), StoreError> {
    closed.sort_unstable_by(|one, other| one.organization_id.cmp(&other.organization_id));
    for Closed { id, organization_id, granted, spent, period_begin } in closed {
        let rest = granted - spent;
        let transfer =
            Transfer { id: &format!("{id}:close"), organization_id: &organization_id, kind: "close", now };
        transfer.write(tx, &[("leased", -granted), ("spent", spent), ("credits", rest)]).await?;
        credits::give_back(tx, &organization_id, rest, period_begin).await?;
    }
    Ok(())
}

/// Lets nobody else take these leases back, or spend from them, until this transaction ends. What is read of their
/// requests' records afterwards stays true.
pub(crate) async fn lock(tx: &mut Tx, spent: &[Vec<Spent>]) -> Result<(), StoreError> {
    let ids: BTreeSet<&str> = spent.iter().flatten().map(|part| &*part.block).collect();
    for id in ids {
        execute!(tx, LOCK, id)?;
    }
    Ok(())
}

/// Writes call records and what their requests spent, in one: the books and the records never differ. What was
/// reserved from a lease that others closed meanwhile is charged to the organisation, as far as there is money.
pub(crate) async fn record(
    tx: &mut Tx,
    mut records: Vec<CallRecord>,
    spent: &[Vec<Spent>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let lost = spend(tx, spent.iter().flatten()).await?;
    if !lost.is_empty() {
        charge_lost(tx, &mut records, spent, &lost, now).await?;
    }
    call_records::insert(tx, &records).await?;
    let closing = spent.iter().flatten().filter(|part| part.closes).map(|part| part.block.to_string());
    let closing: Vec<String> = closing.collect();
    if !closing.is_empty() {
        close(tx, closing, now).await?;
    }
    Ok(())
}

/// Charges what was spent of lost leases, unless whoever closed them has charged it; puts what came of it into the
/// records.
async fn charge_lost(
    tx: &mut Tx,
    records: &mut [CallRecord],
    spent: &[Vec<Spent>],
    lost: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_lost = |part: &&Spent| lost.iter().any(|lease| **lease == *part.block);
    let late = records.iter_mut().zip(spent).filter_map(|(record, parts)| {
        let cost: Credits = parts.iter().filter(is_lost).map(|part| part.amount).sum();
        cost.is_positive().then_some((record, cost))
    });
    let mut late: Vec<_> = late.collect();
    late.sort_by(|(one, _), (other, _)| one.organization_id.cmp(&other.organization_id));
    for (record, cost) in late {
        let charged = match &record.organization_id {
            Some(organization) if !call_records::is_written(tx, record).await? => {
                credits::charge_late(tx, organization, &record.request_id, cost, now).await?
            }
            _ => Credits::ZERO,
        };
        record.charge = record.charge - cost + charged;
    }
    Ok(())
}
