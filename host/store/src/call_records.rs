//! Call records: one row for every request.

use hardpoint_domain::money::Credits;
use hardpoint_domain::time::Timestamp;
use sqlx::query::Query;
use sqlx::{Database, Encode, Type};

use crate::call_records_dialect::{INSERTS, Insert, LARGEST};
use crate::columns::{Amount, Micros, clean, words};
use crate::db::{Handle, Link, execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// How a call ended.
    pub enum Outcome {
        /// It was answered to the end.
        Completed = "completed",
        /// It was answered with an error, or broke off.
        Failed = "failed",
        /// The client left.
        Cancelled = "cancelled",
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow, serde::Serialize, serde::Deserialize)]
pub struct CallRecord {
    /// `call_…`.
    pub id: String,
    /// `req_…`.
    pub request_id: String,
    /// When it came in.
    #[sqlx(try_from = "Micros")]
    pub time: Timestamp,
    /// Whose it is, where that is known.
    pub organization_id: Option<String>,
    /// With which key.
    pub key_id: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The route's pattern, not the path.
    pub route: String,
    /// The HTTP status.
    #[sqlx(try_from = "i64")]
    pub status: u16,
    /// The error's type, where it was answered with one.
    pub error_type: Option<String>,
    /// The error's message, as the client saw it.
    pub error_message: Option<String>,
    /// Microseconds until the last byte.
    #[sqlx(try_from = "i64")]
    pub duration_us: u64,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The binding that served it.
    pub binding: Option<String>,
    /// The plugin of the binding.
    pub plugin: Option<String>,
    /// The plugin's version.
    pub plugin_version: Option<String>,
    /// Tokens read.
    #[sqlx(try_from = "i64")]
    pub input_tokens: u64,
    /// Of these, tokens that the provider had in its cache.
    #[sqlx(try_from = "i64")]
    pub cached_input_tokens: u64,
    /// Tokens written.
    #[sqlx(try_from = "i64")]
    pub output_tokens: u64,
    /// Whether it was answered as a stream.
    pub streamed: bool,
    /// Deltas sent.
    #[sqlx(try_from = "i64")]
    pub deltas: u64,
    /// Bytes of the answer's body that were sent.
    #[sqlx(try_from = "i64")]
    pub bytes_sent: u64,
    /// How it ended.
    #[sqlx(try_from = "String")]
    pub outcome: Outcome,
    /// What it cost.
    #[sqlx(try_from = "Amount")]
    pub charge: Credits,
    /// By which version of the rates, where it was charged.
    pub rates: Option<String>,
}

/// Where a page of records ends and the next begins; that record itself is on the first of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The record's time.
    pub time: Timestamp,
    /// The record's id.
    pub id: String,
}

/// Which records.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// All of the platform.
    All,
    /// Those of an organisation.
    Organization(&'a str),
    /// Those of a key, which must be of this organisation.
    Key {
        /// The organisation.
        organization_id: &'a str,
        /// The key.
        key_id: &'a str,
    },
}

macro_rules! select {
    ($($rest:literal),*) => {
        concat!(
            "SELECT id, request_id, time, organization_id, key_id, method, route, status, error_type, \
             error_message, duration_us, model, binding, plugin, plugin_version, input_tokens, \
             cached_input_tokens, output_tokens, streamed, deltas, bytes_sent, outcome, charge, rates \
             FROM call_records WHERE ",
            $($rest,)*
        )
    };
}

macro_rules! select_before {
    ($condition:literal) => {
        select!("(time, id) < ($1, $2) AND ", $condition, " ORDER BY time DESC, id DESC LIMIT $3")
    };
}

statements! {
    LIST: select_before!("1 = 1");
    LIST_BY_ORGANIZATION: select_before!("organization_id = $4");
    LIST_BY_KEY: select_before!("organization_id = $4 AND key_id = $5");
    PAGE_OF_KEY: select!("key_id = $1 ORDER BY time DESC, id DESC LIMIT $2 OFFSET $3");
    COUNT_OF_KEY: "SELECT COUNT(*) FROM call_records WHERE key_id = $1";
    OF_REQUEST: select!("organization_id = $1 AND time >= $2 AND time <= $3 AND request_id = $4 LIMIT 1");
    WRITTEN: "SELECT time FROM call_records WHERE time = $1 AND id = $2";
    ANY_OF_KEY: "SELECT time FROM call_records WHERE key_id = $1 LIMIT 1";
    /// By the index `call_records_refused`, which has the same conditions.
    FORGET_REFUSED: "DELETE FROM call_records WHERE (time, id) IN (SELECT time, id FROM call_records \
                     WHERE status IN (402, 403, 429) AND charge = 0 AND time < $1 ORDER BY time, id LIMIT $2)";
}

/// Adds records. One that is there already (same time and id) stays as it is, so that a caller who does
/// not know whether it came through may send it again.
pub async fn insert(tx: &mut Tx, records: &[CallRecord]) -> Result<(), StoreError> {
    records.iter().try_for_each(check)?;
    insert_checked(tx, &records.iter().collect::<Vec<_>>()).await
}

async fn insert_checked(tx: &mut Tx, records: &[&CallRecord]) -> Result<(), StoreError> {
    for records in records.chunks(LARGEST) {
        let Some((insert, records)) = padded(records) else { continue };
        let outcome = match tx.handle().await? {
            Handle::Sqlite(conn) => records
                .fold(sqlx::query::<sqlx::Sqlite>(insert.statement.sqlite), bind)
                .execute(conn)
                .await
                .map(drop),
            Handle::Postgres(conn) => records
                .fold(sqlx::query::<sqlx::Postgres>(insert.statement.postgres), bind)
                .execute(conn)
                .await
                .map(drop),
        };
        tx.noted(outcome)?;
    }
    Ok(())
}

/// Adds records as all that a transaction does; at most [`LARGEST`]. Where the transaction is one of
/// SQLite's and nothing else is in it, it is over with this.
pub(crate) async fn insert_whole(tx: &mut Tx, records: &[&CallRecord]) -> Result<(), StoreError> {
    if let Link::SqliteWriter(transaction) = tx.link()
        && let Some((insert, rows)) = padded(records)
        && let Some(conn) = transaction.unbegun()
    {
        let query = rows.fold(sqlx::query::<sqlx::Sqlite>(insert.whole.sqlite), bind);
        query.execute(conn).await?;
        transaction.was_whole();
        return Ok(());
    }
    insert_checked(tx, records).await
}

/// The smallest insert that holds these records, and the records with the last one repeated until it is
/// full; none for no records, or more than the largest holds.
fn padded<'r>(records: &[&'r CallRecord]) -> Option<(&'static Insert, impl Iterator<Item = &'r CallRecord>)> {
    let last = *records.last()?;
    let insert = INSERTS.iter().find(|insert| insert.rows >= records.len())?;
    Some((insert, records.iter().copied().chain(std::iter::repeat(last)).take(insert.rows)))
}

/// Refuses a record that would make the insert of its whole batch fail.
pub(crate) fn check(record: &CallRecord) -> Result<(), StoreError> {
    let texts = [&record.id, &record.request_id, &record.method, &record.route];
    let more = [
        &record.organization_id,
        &record.key_id,
        &record.error_type,
        &record.error_message,
        &record.model,
        &record.binding,
        &record.plugin,
        &record.plugin_version,
        &record.rates,
    ];
    for text in texts.into_iter().chain(more.into_iter().flatten()) {
        clean(text)?;
    }
    Ok(())
}

fn bind<'q, D>(query: Query<'q, D, D::Arguments>, record: &'q CallRecord) -> Query<'q, D, D::Arguments>
where
    D: Database,
    &'q str: Encode<'q, D> + Type<D>,
    Option<&'q str>: Encode<'q, D> + Type<D>,
    i64: Encode<'q, D> + Type<D>,
    bool: Encode<'q, D> + Type<D>,
{
    query
        .bind(record.id.as_str())
        .bind(record.request_id.as_str())
        .bind(record.time.micros())
        .bind(record.organization_id.as_deref())
        .bind(record.key_id.as_deref())
        .bind(record.method.as_str())
        .bind(record.route.as_str())
        .bind(i64::from(record.status))
        .bind(record.error_type.as_deref())
        .bind(record.error_message.as_deref())
        .bind(count(record.duration_us))
        .bind(record.model.as_deref())
        .bind(record.binding.as_deref())
        .bind(record.plugin.as_deref())
        .bind(record.plugin_version.as_deref())
        .bind(count(record.input_tokens))
        .bind(count(record.cached_input_tokens))
        .bind(count(record.output_tokens))
        .bind(record.streamed)
        .bind(count(record.deltas))
        .bind(count(record.bytes_sent))
        .bind(record.outcome.as_str())
        .bind(record.charge.micros())
        .bind(record.rates.as_deref())
}

/// A plugin may claim any number of tokens; what no column can hold is as much as one can.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Records newest first, those before `before`; at most `limit`.
pub async fn list(
    conn: &mut Conn,
    filter: Filter<'_>,
    before: Option<&Cursor>,
    limit: u32,
) -> Result<Vec<CallRecord>, StoreError> {
    let (time, id) = before.map_or((i64::MAX, ""), |cursor| (cursor.time.micros(), cursor.id.as_str()));
    let limit = i64::from(limit);
    match filter {
        Filter::All => fetch!(conn, fetch_all, CallRecord, LIST, time, id, limit),
        Filter::Organization(organization) => {
            fetch!(conn, fetch_all, CallRecord, LIST_BY_ORGANIZATION, time, id, limit, organization)
        }
        Filter::Key { organization_id, key_id } => {
            fetch!(conn, fetch_all, CallRecord, LIST_BY_KEY, time, id, limit, organization_id, key_id)
        }
    }
}

/// A key's records, newest first.
pub async fn page_of_key(
    conn: &mut Conn,
    key_id: &str,
    window: Window,
) -> Result<Vec<CallRecord>, StoreError> {
    fetch!(conn, fetch_all, CallRecord, PAGE_OF_KEY, key_id, window.limit, window.offset)
}

/// The record of a request of an organisation that came in between these times.
pub async fn of_request(
    conn: &mut Conn,
    organization_id: &str,
    request_id: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Option<CallRecord>, StoreError> {
    let (from, to) = (from.micros(), to.micros());
    fetch!(conn, fetch_optional, CallRecord, OF_REQUEST, organization_id, from, to, request_id)
}

/// How many records a key has.
pub async fn count_of_key(conn: &mut Conn, key_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_OF_KEY, key_id)?;
    Ok(count)
}

/// Whether this record is there already.
pub(crate) async fn is_written(conn: &mut Conn, record: &CallRecord) -> Result<bool, StoreError> {
    let found: Option<(i64,)> =
        fetch!(conn, fetch_optional, (i64,), WRITTEN, record.time.micros(), &record.id)?;
    Ok(found.is_some())
}

/// Whether a key has any record.
pub async fn any_of_key(conn: &mut Conn, key_id: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = fetch!(conn, fetch_optional, (i64,), ANY_OF_KEY, key_id)?;
    Ok(found.is_some())
}

/// Forgets records of requests that came before then, were refused and cost nothing: the oldest, at most `limit`. Says
/// how many.
pub async fn forget_refused(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    execute!(tx, FORGET_REFUSED, before.micros(), i64::from(limit))
}
