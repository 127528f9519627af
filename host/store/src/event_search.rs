//! Searching the audit log. What was purged is not found.

use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;

use crate::db::{Statement, fetch};
use crate::event_search_dialect as dialect;
use crate::events::Cursor;
use crate::{Conn, StoreError, Window};

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Of this organisation; of all, and the platform's own, where left out.
    pub organization_id: Option<String>,
    /// Of this workspace.
    pub workspace_id: Option<String>,
    /// Which this key or user caused.
    pub actor: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// About the thing of this id.
    pub target: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// With this text in them.
    pub text: Option<Text>,
}

/// Text that is looked for in events' JSON. No index helps there, so each search has an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Anywhere; ASCII letters in either case.
    pub wanted: String,
    /// How many events it is looked for in at most, the newest of those that are asked for otherwise.
    pub most: u32,
}

/// An event that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its place in the log; none until it was numbered.
    pub seq: Option<i64>,
    /// The link there.
    pub hash: Option<Vec<u8>>,
    /// What happened.
    pub event: Event,
}

/// Nobody waits until more than these are counted.
pub const COUNTED: i64 = 10_000;

/// One before every moment, and one after.
const FIRST: i64 = i64::MIN;
const LAST: i64 = i64::MAX;

macro_rules! searched {
    ($conn:expr, $how:ident, $row:ty, $statement:expr, $search:expr, $before:expr $(, $more:expr)* $(,)?) => {{
        let search: &Search = $search;
        fetch!(
            $conn, $how, $row, $statement,
            search.since.map_or(FIRST, Timestamp::micros),
            until(search, $before),
            search.workspace_id.as_deref(),
            search.actor.as_deref(),
            search.kind.as_deref(),
            search.target.as_deref(),
            search.request_id.as_deref(),
            search.organization_id.as_deref()
            $(, $more)*
        )
    }};
}

/// Those before a place, newest first. Where text is looked for, what stands behind [`looked_to`] is not among them.
pub async fn page(
    conn: &mut Conn,
    search: &Search,
    before: Option<&Cursor>,
    window: Window,
) -> Result<Vec<Found>, StoreError> {
    type Columns = (Option<i64>, Option<Vec<u8>>, Vec<u8>);
    let ((time, id), Window { limit, offset }) = (place(before), window);
    let found = match &search.text {
        None => {
            let statement = scope(search, dialect::PAGES);
            searched!(conn, fetch_all, Columns, statement, search, before, time, id, limit, offset)?
        }
        Some(text) => {
            let statement = scope(search, dialect::FINDS);
            let (wanted, most) = (escaped(text), most(text));
            searched!(
                conn, fetch_all, Columns, statement, search, before, time, id, limit, offset, wanted, most
            )?
        }
    };
    let read = |(seq, hash, body): Columns| {
        let event = serde_json::from_slice(&body)
            .map_err(|error| StoreError::Corrupt(format!("an event: {error}")))?;
        Ok(Found { seq, hash, event })
    };
    found.into_iter().map(read).collect()
}

/// How many there are, or [`COUNTED`] where there are as many or more; where text is looked for, among as many of the
/// newest as it is looked for in.
pub async fn count(conn: &mut Conn, search: &Search) -> Result<i64, StoreError> {
    let (count,): (i64,) = match &search.text {
        None => {
            let statement = scope(search, dialect::COUNTS);
            searched!(conn, fetch_one, (i64,), statement, search, None, COUNTED)?
        }
        Some(text) => {
            let statements = dialect::COUNTS_FOUND;
            let (statement, wanted, most) = (scope(search, statements), escaped(text), most(text));
            searched!(conn, fetch_one, (i64,), statement, search, None, wanted, most)?
        }
    };
    Ok(count)
}

/// The last event in which a search before a place looks for its text; none where it looks at all there are.
pub async fn looked_to(
    conn: &mut Conn,
    search: &Search,
    before: Option<&Cursor>,
) -> Result<Option<Cursor>, StoreError> {
    let Some(text) = &search.text else { return Ok(None) };
    let ((time, id), others) = (place(before), most(text) - 1);
    let statement = scope(search, dialect::ENDS);
    let ends = searched!(conn, fetch_all, (i64, String), statement, search, before, time, id, others)?;
    // The last, and one behind it.
    let [(time, id), _] = ends.as_slice() else { return Ok(None) };
    Ok(Some(Cursor { time: Timestamp::from_micros(*time), id: id.clone() }))
}

/// Before which time an event is. What stands before a place is not after it in time: said so, SQLite begins there, and
/// does not pass everything newer one by one.
fn until(search: &Search, before: Option<&Cursor>) -> i64 {
    let until = search.until.map_or(LAST, Timestamp::micros);
    before.map_or(until, |place| until.min(place.time.micros().saturating_add(1)))
}

fn place(before: Option<&Cursor>) -> (i64, &str) {
    before.map_or((LAST, ""), |cursor| (cursor.time.micros(), cursor.id.as_str()))
}

fn most(text: &Text) -> i64 {
    i64::from(text.most.max(1))
}

/// The statement that goes through least.
fn scope(
    search: &Search,
    [all, of_organization, of_target, of_actor, of_request]: [Statement; 5],
) -> Statement {
    match search {
        Search { request_id: Some(_), .. } => of_request,
        Search { target: Some(_), .. } => of_target,
        Search { actor: Some(_), .. } => of_actor,
        Search { organization_id: Some(_), .. } => of_organization,
        _ => all,
    }
}

/// Text as it stands in JSON, in lower case.
fn escaped(text: &Text) -> String {
    let quoted = serde_json::Value::from(&*text.wanted).to_string();
    quoted[1..quoted.len() - 1].to_ascii_lowercase()
}
