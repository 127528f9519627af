//! The people of an organisation.

use hardpoint_domain::access::Role;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// How far a user is.
    pub enum State {
        /// Made by somebody else, and not seen yet.
        Invited = "invited",
        /// May come in.
        Active = "active",
        /// May not.
        Deactivated = "deactivated",
    }
}

/// Somebody in an organisation.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// `user_…`.
    pub id: String,
    /// Where.
    pub organization_id: String,
    /// In lower case; unique in its organisation.
    pub email: String,
    /// For people; may be empty.
    pub name: String,
    /// What they are there.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// How far they are.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// When they were invited.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When anything of this was last written.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, organization_id, email, name, role, state, created_at, updated_at FROM users ",
            $rest
        )
    };
}

statements! {
    INSERT: "INSERT INTO users (id, organization_id, email, name, role, state, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET: select!("WHERE organization_id = $1 AND id = $2");
    FIND: select!("WHERE id = $1");
    LIST: select!("WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    OF_ADDRESS: select!("WHERE email = $1 ORDER BY created_at, id LIMIT 100");
    COUNT: "SELECT COUNT(*) FROM users WHERE organization_id = $1";
    COUNT_SEATS: "SELECT COUNT(*) FROM users WHERE organization_id = $1 AND state <> 'deactivated'";
    OTHER_OWNERS: "SELECT COUNT(*) FROM users \
                   WHERE organization_id = $1 AND id <> $2 AND role = 'owner' AND state <> 'deactivated'";
    HOLD: "UPDATE users SET state = state WHERE id = $1 \
           RETURNING id, organization_id, email, name, role, state, created_at, updated_at";
    UPDATE: "UPDATE users SET name = $3, role = $4, state = $5, updated_at = $6 WHERE organization_id = $1 AND id = $2";
}

/// Makes a user. An address that the organisation has already is `Duplicate`, an unknown organisation
/// `Dangling`.
pub async fn create(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    let User { id, organization_id, email, name, role, state, created_at, updated_at } = user;
    let (created, updated) = (created_at.micros(), updated_at.micros());
    execute!(tx, INSERT, id, organization_id, email, name, role.as_str(), state.as_str(), created, updated)
        .map(drop)
}

/// A user of this organisation.
pub async fn get(conn: &mut Conn, organization_id: &str, id: &str) -> Result<Option<User>, StoreError> {
    fetch!(conn, fetch_optional, User, GET, organization_id, id)
}

/// A user of any organisation.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<User>, StoreError> {
    fetch!(conn, fetch_optional, User, FIND, id)
}

/// A user of any organisation, as they are and stay until this transaction ends: whoever else would change them waits.
pub async fn hold(tx: &mut Tx, id: &str) -> Result<Option<User>, StoreError> {
    fetch!(tx, fetch_optional, User, HOLD, id)
}

/// An organisation's users, newest first.
pub async fn list(conn: &mut Conn, organization_id: &str, window: Window) -> Result<Vec<User>, StoreError> {
    fetch!(conn, fetch_all, User, LIST, organization_id, window.limit, window.offset)
}

/// The users of an address in all organisations, in lower case; the oldest first, at most 100, deactivated ones too.
pub async fn of_address(conn: &mut Conn, email: &str) -> Result<Vec<User>, StoreError> {
    fetch!(conn, fetch_all, User, OF_ADDRESS, email)
}

/// How many users an organisation has, deactivated ones too.
pub async fn count(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id)?;
    Ok(count)
}

/// How many users an organisation has, without those who were deactivated.
pub async fn count_seats(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_SEATS, organization_id)?;
    Ok(count)
}

/// How many owners an organisation has besides this user, without those who were deactivated.
pub async fn other_owners(conn: &mut Conn, organization_id: &str, id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), OTHER_OWNERS, organization_id, id)?;
    Ok(count)
}

/// Writes a user's name, role, state and time of change; false where there is none of their id in their
/// organisation.
pub async fn update(tx: &mut Tx, user: &User) -> Result<bool, StoreError> {
    let User { id, organization_id, name, role, state, updated_at, .. } = user;
    let updated = updated_at.micros();
    Ok(execute!(tx, UPDATE, organization_id, id, name, role.as_str(), state.as_str(), updated)? == 1)
}
