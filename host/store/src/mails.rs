//! Mail that is still to be sent, each sealed: a PIN in it is worth as much as a password.
//!
//! Claims work as in [`crate::outbox`]: a fresh id and a lease, and each mail is sent at least once. What was sent
//! is deleted. What nobody is to get is claimed and deleted too: who watches how busy the store is does not learn from
//! it whether anybody has an address.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::mails_dialect::CLAIM;
use crate::{Conn, StoreError, Tx};

/// A mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// `mail_…`.
    pub id: String,
    /// The key that it is sealed under.
    pub key_id: String,
    /// The nonce and what was sealed.
    pub sealed: Vec<u8>,
    /// False where nobody is to get it.
    pub is_addressed: bool,
    /// From when on it may be sent.
    pub due_at: Timestamp,
    /// From when on it is worth nothing to anybody.
    pub expires_at: Timestamp,
}

/// A mail that was claimed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// `mail_…`.
    pub id: String,
    /// The key that it is sealed under.
    pub key_id: String,
    /// The nonce and what was sealed.
    pub sealed: Vec<u8>,
    /// False where nobody is to get it.
    #[sqlx(rename = "addressed")]
    pub is_addressed: bool,
    /// Which attempt this is, from 1.
    pub attempt: i64,
    /// From when on it is worth nothing to anybody.
    #[sqlx(try_from = "Micros")]
    pub expires_at: Timestamp,
}

statements! {
    INSERT: "INSERT INTO mails (id, key_id, sealed, addressed, due_at, expires_at, attempt) \
             VALUES ($1, $2, $3, $4, $5, $6, 0)";
    IS_DUE: "SELECT id FROM mails WHERE key_id = $1 AND due_at <= $2 \
             AND (lease_until IS NULL OR lease_until <= $2) LIMIT 1";
    COMPLETE: "DELETE FROM mails WHERE id = $1 AND claim_id = $2";
    RELEASE: "UPDATE mails SET due_at = $3, claim_id = NULL, lease_until = NULL WHERE id = $1 AND claim_id = $2";
    FORGET: "DELETE FROM mails WHERE expires_at <= $1 RETURNING id, addressed";
    COUNT: "SELECT COUNT(*) FROM mails";
    COUNT_UNDER: "SELECT COUNT(*) FROM mails WHERE addressed AND key_id = $1";
}

/// Queues a mail.
pub async fn insert(tx: &mut Tx, new: &NewMail) -> Result<(), StoreError> {
    let NewMail { id, key_id, sealed, is_addressed, due_at, expires_at } = new;
    let (due, end) = (due_at.micros(), expires_at.micros());
    execute!(tx, INSERT, id, key_id, sealed.as_slice(), *is_addressed, due, end).map(drop)
}

/// Whether a mail under this key is due that nobody holds. Asking is cheaper than claiming in vain.
pub async fn is_due(conn: &mut Conn, key_id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let found = fetch!(conn, fetch_optional, (String,), IS_DUE, key_id, now.micros())?;
    Ok(found.is_some())
}

/// Claims up to `batch` mails under this key that are due and that nobody holds, those first that are soonest worth
/// nothing: no crowd of invitations keeps a PIN waiting. `claim_id` must be fresh.
pub async fn claim(
    tx: &mut Tx,
    claim_id: &str,
    key_id: &str,
    batch: u32,
    now: Timestamp,
    lease: Duration,
) -> Result<Vec<Claimed>, StoreError> {
    let (until, batch) = (now.plus(lease).micros(), i64::from(batch));
    let mut claimed = fetch!(tx, fetch_all, Claimed, CLAIM, now.micros(), batch, claim_id, until, key_id)?;
    claimed.sort_by(|a, b| (a.expires_at, &a.id).cmp(&(b.expires_at, &b.id)));
    Ok(claimed)
}

/// The mail was sent, or is given up: forgets it. False where the claim no longer counts.
pub async fn complete(tx: &mut Tx, id: &str, claim_id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, COMPLETE, id, claim_id)? == 1)
}

/// The attempt failed; another may be made from `due_at` on. False where the claim no longer counts.
pub async fn release(tx: &mut Tx, id: &str, claim_id: &str, due_at: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, RELEASE, id, claim_id, due_at.micros())? == 1)
}

/// Forgets what is worth nothing any more, and gives the ids of those that somebody should have got.
pub async fn forget(tx: &mut Tx, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let gone = fetch!(tx, fetch_all, (String, bool), FORGET, now.micros())?;
    Ok(gone.into_iter().filter(|(_, addressed)| *addressed).map(|(id, _)| id).collect())
}

/// How many mails wait, those that nobody is to get too.
pub async fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT)?;
    Ok(count)
}

/// How many mails wait that only this key opens.
pub async fn count_under(conn: &mut Conn, key_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_UNDER, key_id)?;
    Ok(count)
}
