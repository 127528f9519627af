//! The number that every change to plugins, grants and enablement raises, so that hosts learn of
//! changes by asking for one integer.

use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

statements! {
    READ: "SELECT revision FROM desired_state";
    RAISE: "UPDATE desired_state SET revision = revision + 1";
}

/// The revision of the desired state. Of two that are seen one after the other, the later is not less;
/// what was committed with or before a revision is seen by whoever reads after having seen it.
pub async fn revision(conn: &mut Conn) -> Result<i64, StoreError> {
    let (revision,): (i64,) = fetch!(conn, fetch_one, (i64,), READ)?;
    Ok(revision)
}

/// Raises the revision. First in every transaction that changes the desired state: the row's lock then
/// lets one such transaction at a time go on, so revisions commit in order and nobody deadlocks.
pub(crate) async fn raise(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, RAISE).map(drop)
}

/// Begins a change of the desired state that depends on what is there: whoever reads after this in the same
/// transaction decides on what nobody else changes before the transaction ends.
pub async fn begin_change(tx: &mut Tx) -> Result<(), StoreError> {
    raise(tx).await
}
