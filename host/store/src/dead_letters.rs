//! Events that a standing destination did not take, each with the reason, and those of them that are to be offered
//! once more.

use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, words};
use crate::db::{execute, fetch, statements};
use crate::destinations::Present;
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// What is to become of it.
    pub enum State {
        /// Nothing, until somebody asks for it.
        Dead = "dead",
        /// It is offered again.
        Again = "again",
    }
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeadLetter {
    /// Which destination did not take it.
    pub destination_id: String,
    /// The event.
    pub event_id: String,
    /// Its place in the log.
    pub seq: i64,
    /// Its kind.
    pub kind: String,
    /// Why it was not taken.
    pub reason: String,
    /// What is to become of it.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Attempts since it is to be offered again.
    pub attempt: i64,
    /// Since when it is one.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// Where it is offered again: not before then; 0 where that is at once.
    #[sqlx(try_from = "Micros")]
    pub due_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT destination_id, event_id, seq, kind, reason, state, attempt, created_at, due_at \
             FROM dead_letters WHERE destination_id = $1 ",
            $rest
        )
    };
}

statements! {
    PUT: "INSERT INTO dead_letters (destination_id, event_id, seq, kind, reason, state, attempt, created_at, due_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (destination_id, event_id) DO UPDATE SET \
          reason = excluded.reason, state = excluded.state, attempt = excluded.attempt, due_at = excluded.due_at";
    DELETE: "DELETE FROM dead_letters WHERE destination_id = $1 AND event_id = $2";
    LIST: select!("ORDER BY seq DESC, event_id DESC LIMIT $2 OFFSET $3");
    COUNT: "SELECT COUNT(*) FROM dead_letters WHERE destination_id = $1";
    ANY: "SELECT event_id FROM dead_letters WHERE destination_id = $1 LIMIT 1";
    BETWEEN: select!("AND seq >= $2 AND seq <= $3 ORDER BY seq, event_id");
    NEXT: select!("AND state = 'again' AND (due_at <= $2 OR due_at > $3) ORDER BY due_at, seq LIMIT 1");
    REPLAY: "UPDATE dead_letters SET state = 'again', attempt = 0, due_at = 0 WHERE destination_id = $1 \
             AND (CAST($2 AS TEXT) IS NULL OR event_id = $2)";
}

/// Keeps a dead letter, in the place of what was known of the same event.
pub async fn put(tx: &mut Tx, letter: &DeadLetter) -> Result<(), StoreError> {
    let DeadLetter { destination_id, event_id, seq, kind, reason, state, attempt, created_at, due_at } =
        letter;
    let (state, created, due) = (state.as_str(), created_at.micros(), due_at.micros());
    // What a destination says may hold anything.
    let reason = reason.replace('\0', " ");
    execute!(tx, PUT, destination_id, event_id, *seq, kind, reason, state, *attempt, created, due).map(drop)
}

/// Forgets a dead letter: the destination has the event after all. False where there is none.
pub async fn delete(tx: &mut Tx, destination_id: &str, event_id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, destination_id, event_id)? == 1)
}

/// Dead letters of a destination, those of the latest events first.
pub async fn list(
    conn: &mut Conn,
    destination_id: &str,
    window: Window,
) -> Result<Vec<DeadLetter>, StoreError> {
    fetch!(conn, fetch_all, DeadLetter, LIST, destination_id, window.limit, window.offset)
}

/// How many there are.
pub async fn count(conn: &mut Conn, destination_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, destination_id)?;
    Ok(count)
}

/// Whether there is one. Counting them takes as long as there are many.
pub async fn any(conn: &mut Conn, destination_id: &str) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), ANY, destination_id)?.is_some())
}

/// Those of places from `first` to `last`, in the log's order.
pub async fn between(
    conn: &mut Conn,
    destination_id: &str,
    first: i64,
    last: i64,
) -> Result<Vec<DeadLetter>, StoreError> {
    fetch!(conn, fetch_all, DeadLetter, BETWEEN, destination_id, first, last)
}

/// The one that is to be offered again and has waited longest, of those that are due; the earliest event first. One that is
/// due later than anything is put off was written by a clock that was wrong, and is due too.
pub async fn next(
    conn: &mut Conn,
    destination_id: &str,
    Present { now, due_until, .. }: Present,
) -> Result<Option<DeadLetter>, StoreError> {
    fetch!(conn, fetch_optional, DeadLetter, NEXT, destination_id, now.micros(), due_until.micros())
}

/// Has one dead letter offered again, or all of them, at once; says how many.
pub async fn replay(tx: &mut Tx, destination_id: &str, event_id: Option<&str>) -> Result<u64, StoreError> {
    execute!(tx, REPLAY, destination_id, event_id)
}
