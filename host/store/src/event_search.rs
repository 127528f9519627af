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
    /// With this text anywhere in their JSON; ASCII letters in either case.
    pub text: Option<String>,
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

/// One before every moment, and one after.
const FIRST: i64 = i64::MIN;
const LAST: i64 = i64::MAX;

macro_rules! searched {
    ($conn:expr, $how:ident, $row:ty, $statement:expr, $search:expr $(, $more:expr)*) => {{
        let search: &Search = $search;
        let text = search.text.as_deref().map(escaped);
        fetch!(
            $conn, $how, $row, $statement,
            search.since.map_or(FIRST, Timestamp::micros),
            search.until.map_or(LAST, Timestamp::micros),
            search.workspace_id.as_deref(),
            search.actor.as_deref(),
            search.kind.as_deref(),
            search.target.as_deref(),
            search.request_id.as_deref(),
            text.as_deref(),
            search.organization_id.as_deref()
            $(, $more)*
        )
    }};
}

/// Those before a place, newest first.
pub async fn page(
    conn: &mut Conn,
    search: &Search,
    before: Option<&Cursor>,
    window: Window,
) -> Result<Vec<Found>, StoreError> {
    let (time, id) = before.map_or((LAST, ""), |cursor| (cursor.time.micros(), cursor.id.as_str()));
    let statement = scope(search, [dialect::PAGE, dialect::PAGE_OF_ORGANIZATION, dialect::PAGE_OF_REQUEST]);
    type Columns = (Option<i64>, Option<Vec<u8>>, Vec<u8>);
    let found =
        searched!(conn, fetch_all, Columns, statement, search, time, id, window.limit, window.offset)?;
    let read = |(seq, hash, body): Columns| {
        let event = serde_json::from_slice(&body)
            .map_err(|error| StoreError::Corrupt(format!("an event: {error}")))?;
        Ok(Found { seq, hash, event })
    };
    found.into_iter().map(read).collect()
}

/// How many there are.
pub async fn count(conn: &mut Conn, search: &Search) -> Result<i64, StoreError> {
    let statement =
        scope(search, [dialect::COUNT, dialect::COUNT_OF_ORGANIZATION, dialect::COUNT_OF_REQUEST]);
    let (count,): (i64,) = searched!(conn, fetch_one, (i64,), statement, search)?;
    Ok(count)
}

/// The statement that goes through least.
fn scope(search: &Search, [all, of_organization, of_request]: [Statement; 3]) -> Statement {
    match (&search.request_id, &search.organization_id) {
        (Some(_), _) => of_request,
        (None, Some(_)) => of_organization,
        (None, None) => all,
    }
}

/// Text as it stands in JSON, in lower case.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_ascii_lowercase()
}
