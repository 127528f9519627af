//! Whether the audit log is what it was: all of it is read, in pages, and compared with what was signed.

use hardpoint_domain::chain::checkpoint::{Checkpoint, PublicKey};
use hardpoint_domain::chain::verify::{Finding, Report, Verifier};

use crate::chain::Head;
use crate::{Conn, Store, StoreError, chain, checkpoints};

/// Rows read at a time.
const PAGE: u32 = 500;

/// What was checked and found.
#[derive(Clone, Debug)]
pub struct Integrity {
    /// Of the events that have numbers.
    pub report: Report,
    /// Events that have no number yet, and were not checked.
    pub unnumbered: u64,
}

/// Goes along the whole log, in memory that does not grow with it. `known` are the keys whose checkpoints count, `kept`
/// checkpoints from elsewhere; `told` is called now and then with how far it is, and of how many events.
pub async fn verify(
    store: &Store,
    known: Vec<PublicKey>,
    kept: Vec<Checkpoint>,
    mut told: impl FnMut(i64, i64),
) -> Result<Integrity, StoreError> {
    let mut conn = store.read().await?;
    // In this order: what is numbered meanwhile is behind the head, and is left for the next time.
    let last = checkpoints::last(&mut conn).await?;
    let head = chain::head(&mut conn).await?;
    let to = last.max(head.seq);
    let mut verifier = Verifier::new(known, kept);
    // From the lowest number there is: what stands before 1 was not written by any host.
    let mut at = i64::MIN;
    loop {
        let rows = checkpoints::rows(&mut conn, at, to, PAGE).await?;
        let end = rows.last().map_or(i64::MAX, |row| row.seq);
        expect_signed(&mut conn, &mut verifier, at, end).await?;
        rows.iter().for_each(|row| verifier.take(row));
        if end == i64::MAX {
            break;
        }
        at = end;
        told(at, to);
    }
    for purge in checkpoints::purges_after(&mut conn, to).await? {
        verifier.account(&purge, to);
    }
    let report = verifier.finish(head.seq, &head.hash);
    let unnumbered = u64::try_from(checkpoints::count_unnumbered(&mut conn).await?).unwrap_or(0);
    Ok(Integrity { report, unnumbered })
}

/// Whether the chain goes on to `head` from what was signed; if not, the first place where it does not.
pub async fn broken_behind(
    conn: &mut Conn,
    signed: Checkpoint,
    head: &Head,
) -> Result<Option<Finding>, StoreError> {
    let mut at = signed.seq.saturating_sub(1);
    let mut verifier = Verifier::behind(signed);
    loop {
        let rows = checkpoints::rows(conn, at, head.seq, PAGE).await?;
        let Some(last) = rows.last() else { break };
        at = last.seq;
        rows.iter().for_each(|row| verifier.take(row));
    }
    Ok(verifier.finish(head.seq, &head.hash).broken())
}

/// The checkpoints of places after `at` and up to `end`.
async fn expect_signed(
    conn: &mut Conn,
    verifier: &mut Verifier,
    mut at: i64,
    end: i64,
) -> Result<(), StoreError> {
    loop {
        let signed = checkpoints::after(conn, at, end, PAGE).await?;
        let Some(last) = signed.last() else { return Ok(()) };
        at = last.seq;
        signed.into_iter().for_each(|checkpoint| verifier.stored(checkpoint));
    }
}
