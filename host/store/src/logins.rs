//! PINs that were asked for, how often that was, and the sessions that came of it. Of PINs, challenges and tokens
//! only hashes are here.

use hardpoint_domain::plan::Rates;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, RatesJson};
use crate::db::{execute, fetch, statements};
use crate::users::User;
use crate::{Conn, StoreError, Tx};

/// A PIN on its way.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Challenge {
    /// Of its id.
    pub hash: Vec<u8>,
    /// Whose it is; none where nobody has the address.
    pub user_id: Option<String>,
    /// Of the address and the PIN, keyed with the challenge's id.
    pub pin_hash: Vec<u8>,
    /// From when on it is refused.
    #[sqlx(try_from = "Micros")]
    pub expires_at: Timestamp,
}

/// Somebody who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// SHA-256 of its token.
    pub hash: [u8; 32],
    /// `ses_…`.
    pub id: String,
    /// Who it is.
    pub user_id: String,
    /// When they came.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// A session and who it is, in one look-up. One that has ended, or whose user was deactivated, is found too.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    /// `ses_…`.
    pub session_id: String,
    /// From when on it is refused.
    #[sqlx(try_from = "Micros")]
    pub session_end: Timestamp,
    /// Who it is.
    #[sqlx(flatten)]
    pub user: User,
    /// The plan of the user's organisation.
    pub plan: String,
    /// That organisation's own limits, in the place of its plan's.
    #[sqlx(try_from = "RatesJson")]
    pub rates: Rates,
}

statements! {
    CHALLENGE: "INSERT INTO login_challenges (hash, user_id, pin_hash, attempts, expires_at) VALUES ($1, $2, $3, 0, $4)";
    ATTEMPT: "UPDATE login_challenges SET attempts = attempts + 1 \
              WHERE hash = $1 AND attempts < $2 AND expires_at > $3 RETURNING hash, user_id, pin_hash, expires_at";
    USE: "DELETE FROM login_challenges WHERE hash = $1";
    COUNT: "INSERT INTO login_throttles (subject, begin_at, count) VALUES ($1, $2, 1) \
            ON CONFLICT (subject, begin_at) DO UPDATE SET count = login_throttles.count + 1 RETURNING count";
    BEGIN: "INSERT INTO sessions (hash, id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    FIND: "SELECT s.id AS session_id, s.expires_at AS session_end, u.id, u.organization_id, u.email, u.name, u.role, \
           u.state, u.created_at, u.updated_at, o.plan, o.rates FROM sessions s JOIN users u ON u.id = s.user_id \
           JOIN organizations o ON o.id = u.organization_id WHERE s.hash = $1";
    END: "DELETE FROM sessions WHERE id = $1";
    END_ALL: "DELETE FROM sessions WHERE user_id = $1";
    FORGET_CHALLENGES: "DELETE FROM login_challenges WHERE expires_at <= $1";
    FORGET_SESSIONS: "DELETE FROM sessions WHERE expires_at <= $1";
    FORGET_COUNTS: "DELETE FROM login_throttles WHERE begin_at <= $1";
}

/// Keeps a challenge. A taken hash is `Duplicate`.
pub async fn challenge(tx: &mut Tx, new: &Challenge) -> Result<(), StoreError> {
    let Challenge { hash, user_id, pin_hash, expires_at } = new;
    let (user, end) = (user_id.as_deref(), expires_at.micros());
    execute!(tx, CHALLENGE, hash.as_slice(), user, pin_hash.as_slice(), end).map(drop)
}

/// Counts an attempt at a challenge, of which there may be `most`; none where there is no such challenge, it has
/// ended, or there were as many. Two attempts at once count as two.
pub async fn attempt(
    tx: &mut Tx,
    hash: &[u8],
    most: i64,
    now: Timestamp,
) -> Result<Option<Challenge>, StoreError> {
    fetch!(tx, fetch_optional, Challenge, ATTEMPT, hash, most, now.micros())
}

/// Takes a challenge away; false where somebody did before.
pub async fn take(tx: &mut Tx, hash: &[u8]) -> Result<bool, StoreError> {
    Ok(execute!(tx, USE, hash)? == 1)
}

/// Counts one more of what `subject` stands for in the window that begins then, and gives how many there were.
pub async fn count(tx: &mut Tx, subject: &[u8], begin: Timestamp) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(tx, fetch_one, (i64,), COUNT, subject, begin.micros())?;
    Ok(count)
}

/// Begins a session. An unknown user is `Dangling`.
pub async fn begin(tx: &mut Tx, new: &NewSession) -> Result<(), StoreError> {
    let NewSession { hash, id, user_id, created_at, expires_at } = new;
    let (created, end) = (created_at.micros(), expires_at.micros());
    execute!(tx, BEGIN, hash.as_slice(), id, user_id, created, end).map(drop)
}

/// The session whose token has this hash.
pub async fn find(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
    fetch!(conn, fetch_optional, Session, FIND, hash.as_slice())
}

/// Ends a session; false where it has ended.
pub async fn end(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, END, id)? == 1)
}

/// Ends all sessions of a user, and says how many.
pub async fn end_all(tx: &mut Tx, user_id: &str) -> Result<u64, StoreError> {
    execute!(tx, END_ALL, user_id)
}

/// Forgets challenges and sessions that have ended, and counts of windows that began before `counts`.
pub async fn forget(tx: &mut Tx, now: Timestamp, counts: Timestamp) -> Result<(), StoreError> {
    execute!(tx, FORGET_CHALLENGES, now.micros())?;
    execute!(tx, FORGET_SESSIONS, now.micros())?;
    execute!(tx, FORGET_COUNTS, counts.micros()).map(drop)
}
