//! Standing destinations of the event log: what they are, how far each is, and who is delivering to it.
//!
//! Claims work as in [`crate::outbox`]: a fresh id and a lease. Whatever its holder writes is written only while the
//! claim counts, cursor, saved state and dead letters in one transaction; so a host that was frozen and comes back
//! undoes nothing of what another one did meanwhile.

use std::time::Duration;

use hardpoint_domain::destination::Progress;
use hardpoint_domain::time::Timestamp;
use serde_json::Value;

use crate::columns::{JsonTexts, MaybeMicros, Micros, json_texts, words};
use crate::db::{execute, fetch, statements};
use crate::destinations_dialect::{CLAIM, DUE};
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// Whether events are delivered.
    pub enum State {
        /// They are.
        Active = "active",
        /// Somebody paused it.
        Paused = "paused",
        /// The destination does not let us in; somebody must act and resume it.
        Parked = "parked",
    }
}

/// A standing destination.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Destination {
    /// `dst_…`.
    pub id: String,
    /// The organisation on whose behalf the exporter runs.
    pub owner_id: String,
    /// Unique for its owner.
    pub name: String,
    /// Whose events; none for everybody's and the platform's own.
    pub organization_id: Option<String>,
    /// Of which workspace only.
    pub workspace_id: Option<String>,
    /// Kinds, or beginnings that end in `.*`; all where there are none.
    #[sqlx(try_from = "JsonTexts")]
    pub kinds: Vec<String>,
    /// The binding of an exporter.
    pub exporter: String,
    /// What is laid over its settings; no secret in it.
    #[sqlx(try_from = "Json")]
    pub options: Value,
    /// Whether events are delivered.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Why it is parked.
    pub reason: Option<String>,
    /// The place in the log up to which every event is settled.
    pub cursor: i64,
    /// What else is known of how far it is; see [`Destination::progress`].
    #[sqlx(rename = "progress")]
    pub kept: String,
    /// What the exporter keeps with the cursor.
    pub saved: Option<Vec<u8>>,
    /// Attempts in a row that settled nothing.
    pub failures: i64,
    /// When it is tried next, if there is anything; 0 where that is at once.
    #[sqlx(try_from = "Micros")]
    pub due_at: Timestamp,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// When.
    #[sqlx(try_from = "MaybeMicros")]
    pub last_error_at: Option<Timestamp>,
    /// Events that were delivered so far, replayed ones again.
    pub delivered: i64,
    /// When the last of them was.
    #[sqlx(try_from = "MaybeMicros")]
    pub delivered_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When somebody last changed what it is.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

/// A `TEXT` column of JSON.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct Json(String);

impl TryFrom<Json> for Value {
    type Error = serde_json::Error;

    fn try_from(json: Json) -> Result<Self, Self::Error> {
        serde_json::from_str(&json.0)
    }
}

impl Destination {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress::read(self.cursor, &self.kept)
    }
}

/// A destination that has something to do.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Due {
    /// `dst_…`.
    pub id: String,
    /// The organisation on whose behalf the exporter runs.
    pub owner_id: String,
    /// The binding of an exporter.
    pub exporter: String,
    /// Whether its last attempt took long, or settled nothing.
    pub is_slow: bool,
}

/// How far ahead other hosts may write, whatever this one is configured to and its clock shows: what they hold is not to be
/// taken from them because their lease is longer than ours, or our clock fell back.
const AHEAD: Duration = Duration::from_secs(3_600);

/// A moment, and how far ahead of it anything was ever written by a clock that is right. What says more counts for
/// nothing, or a clock that was wrong once would keep a destination silent until then.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// Now.
    pub now: Timestamp,
    /// The latest at which a destination may be due.
    pub due_until: Timestamp,
    /// The latest until which one may be held.
    pub held_until: Timestamp,
}

impl Present {
    /// Where no destination is put off by more than `longest_wait` or held for more than `lease`, and hosts' clocks differ by
    /// less than that; and an hour ahead at least.
    pub fn at(now: Timestamp, longest_wait: Duration, lease: Duration) -> Self {
        Self {
            now,
            due_until: now.plus(longest_wait.saturating_add(lease).max(AHEAD)),
            held_until: now.plus(lease.saturating_mul(2).max(AHEAD)),
        }
    }
}

/// What the holder of a claim writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// How far the destination is.
    pub progress: Progress,
    /// What the exporter keeps.
    pub saved: Option<Vec<u8>>,
    /// Events that were delivered since the last time.
    pub delivered: u32,
    /// What was wrong, and when; the last error stays where there is none.
    pub error: Option<String>,
    /// Why it is parked, if it is from now on.
    pub parked: Option<String>,
    /// Whether its last attempt took long.
    pub is_slow: bool,
    /// Now.
    pub now: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner_id, name, organization_id, workspace_id, kinds, exporter, options, state, reason, \
             cursor, progress, saved, failures, due_at, last_error, last_error_at, delivered, delivered_at, \
             created_by, created_at, updated_at FROM destinations ",
            $rest
        )
    };
}

// Whose: of one organisation or of all, and of one workspace or of any.
macro_rules! whose {
    () => {
        "(CAST($1 AS TEXT) IS NULL OR organization_id = $1) AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2)"
    };
}

statements! {
    INSERT: "INSERT INTO destinations (id, owner_id, name, organization_id, workspace_id, kinds, exporter, options, \
             state, cursor, progress, failures, due_at, delivered, created_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9, $10, 0, $11, 0, $12, $13, $13)";
    UPDATE: "UPDATE destinations SET name = $2, kinds = $3, workspace_id = $4, options = $5, updated_at = $6, \
             saved = $7, due_at = 0, \
             claim_id = NULL, lease_until = NULL WHERE id = $1";
    HOLD: "UPDATE destinations SET name = name WHERE id = $1";
    COUNT_OF_OWNER: "SELECT COUNT(*) FROM destinations WHERE owner_id = $1";
    DELETE: "DELETE FROM destinations WHERE id = $1";
    GET: select!("WHERE id = $1");
    HELD: select!("WHERE id = $1 AND claim_id = $2");
    LIST: concat!(select!("WHERE "), whose!(), " ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4");
    COUNT: concat!("SELECT COUNT(*) FROM destinations WHERE ", whose!());
    // Whoever holds it loses the claim: what they write from now on is about another state of things.
    SWITCH: "UPDATE destinations SET state = $2, reason = NULL, due_at = 0, failures = 0, progress = $3, \
             claim_id = NULL, lease_until = NULL WHERE id = $1";
    // What an exporter keeps is of what was sent before, and would settle some of what is to be sent again.
    REPLAY: "UPDATE destinations SET cursor = $2, progress = $3, due_at = 0, failures = 0, saved = NULL, \
             claim_id = NULL, lease_until = NULL WHERE id = $1";
    // 0 is at once, by whatever clock. Whoever holds it goes on, and does not put it off when they let go of it: 0 stays, and
    // is there only from here on until the next claim.
    WAKE: "UPDATE destinations SET due_at = 0 WHERE id = $1";
    RENEW: "UPDATE destinations SET lease_until = $3 WHERE id = $1 AND claim_id = $2";
    RELEASE: "UPDATE destinations SET due_at = CASE WHEN due_at = 0 THEN 0 \
              ELSE COALESCE(CAST($3 AS BIGINT), due_at) END, \
              claim_id = NULL, lease_until = NULL WHERE id = $1 AND claim_id = $2";
    RELEASE_ALL: "UPDATE destinations SET claim_id = NULL, lease_until = NULL WHERE claim_id IS NOT NULL";
    ADVANCE: "UPDATE destinations SET cursor = $3, progress = $4, saved = $5, failures = $6, \
              delivered = delivered + $7, delivered_at = CASE WHEN $7 > 0 THEN $8 ELSE delivered_at END, \
              last_error = COALESCE($9, last_error), \
              last_error_at = CASE WHEN CAST($9 AS TEXT) IS NULL THEN last_error_at ELSE $8 END, is_slow = $10 \
              WHERE id = $1 AND claim_id = $2";
    PARK: "UPDATE destinations SET state = 'parked', reason = $3, claim_id = NULL, lease_until = NULL WHERE id = $1 AND claim_id = $2";
    // What has no place yet will stand behind every cursor.
    BEHIND: "SELECT COUNT(*), CAST(MIN(time) AS BIGINT) FROM (\
             SELECT time FROM (SELECT time FROM events WHERE seq > $1 ORDER BY seq LIMIT $2) AS placed UNION ALL \
             SELECT time FROM (SELECT time FROM events WHERE seq IS NULL LIMIT $2) AS unplaced) AS behind";
    BEHIND_OF: "SELECT COUNT(*), CAST(MIN(time) AS BIGINT) FROM (\
                SELECT time FROM (SELECT time FROM events WHERE organization_id = $3 AND seq > $1 \
                ORDER BY seq LIMIT $2) AS placed UNION ALL \
                SELECT time FROM (SELECT time FROM events WHERE organization_id = $3 AND seq IS NULL LIMIT $2) \
                AS unplaced) AS behind";
    // Places are given in the order of time but for what was under way at once: the first of many is the first.
    PLACE_AT: "SELECT CAST(MIN(seq) AS BIGINT) FROM (SELECT seq FROM events WHERE time >= $1 AND seq IS NOT NULL \
               ORDER BY time, id LIMIT 10000) AS since";
}

/// Keeps a new destination. Nothing is delivered yet; `cursor` says from where on.
///
/// # Errors
/// [`StoreError::Duplicate`] where its owner has one of that name.
pub async fn insert(tx: &mut Tx, new: &Destination) -> Result<(), StoreError> {
    let Destination { id, owner_id, name, organization_id, workspace_id, exporter, .. } = new;
    let (kinds, options) = (json_texts(&new.kinds), new.options.to_string());
    let (organization, workspace) = (organization_id.as_deref(), workspace_id.as_deref());
    let (due, created) = (new.due_at.micros(), new.created_at.micros());
    let by = &new.created_by;
    execute!(
        tx,
        INSERT,
        id,
        owner_id,
        name,
        organization,
        workspace,
        kinds,
        exporter,
        options,
        new.cursor,
        &new.kept,
        due,
        by,
        created
    )
    .map(drop)
}

/// A destination as it is and stays until this transaction ends: whoever else would change it waits.
pub async fn hold(tx: &mut Tx, id: &str) -> Result<Option<Destination>, StoreError> {
    execute!(tx, HOLD, id)?;
    get(tx, id).await
}

/// How many an owner has.
pub async fn count_of_owner(conn: &mut Conn, owner_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_OF_OWNER, owner_id)?;
    Ok(count)
}

/// Changes what somebody decides about a destination, and what its exporter keeps. Who delivers to it begins anew.
///
/// # Errors
/// [`StoreError::Duplicate`] where its owner has another one of that name.
pub async fn update(tx: &mut Tx, changed: &Destination) -> Result<bool, StoreError> {
    let Destination { id, name, workspace_id, updated_at, .. } = changed;
    let (kinds, options) = (json_texts(&changed.kinds), changed.options.to_string());
    let (workspace, saved) = (workspace_id.as_deref(), changed.saved.as_deref());
    Ok(execute!(tx, UPDATE, id, name, kinds, workspace, options, updated_at.micros(), saved)? == 1)
}

/// Forgets a destination with its dead letters; false where there is none.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, id)? == 1)
}

/// A destination.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Destination>, StoreError> {
    fetch!(conn, fetch_optional, Destination, GET, id)
}

/// A destination, while the claim counts.
pub async fn held(conn: &mut Conn, id: &str, claim_id: &str) -> Result<Option<Destination>, StoreError> {
    fetch!(conn, fetch_optional, Destination, HELD, id, claim_id)
}

/// Destinations newest first: of one organisation or of all and the platform, of one workspace or of any.
pub async fn list(
    conn: &mut Conn,
    organization_id: Option<&str>,
    workspace_id: Option<&str>,
    window: Window,
) -> Result<Vec<Destination>, StoreError> {
    fetch!(conn, fetch_all, Destination, LIST, organization_id, workspace_id, window.limit, window.offset)
}

/// How many there are.
pub async fn count(
    conn: &mut Conn,
    organization_id: Option<&str>,
    workspace_id: Option<&str>,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id, workspace_id)?;
    Ok(count)
}

/// Pauses or resumes a destination, as if nothing had failed before; whoever holds it does so no longer.
pub async fn switch(tx: &mut Tx, id: &str, state: State) -> Result<bool, StoreError> {
    let Some(held) = hold(tx, id).await? else { return Ok(false) };
    let progress = Progress { failures: 0, ..held.progress() }.text();
    Ok(execute!(tx, SWITCH, id, state.as_str(), progress)? == 1)
}

/// Goes on from another place of the log; whoever holds it does so no longer.
pub async fn replay(tx: &mut Tx, id: &str, cursor: i64) -> Result<bool, StoreError> {
    let progress = Progress::from(cursor).text();
    Ok(execute!(tx, REPLAY, id, cursor, progress)? == 1)
}

/// Has it tried at once if there is anything; where somebody holds it, as soon as they let go of it.
pub async fn wake(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    execute!(tx, WAKE, id).map(drop)
}

/// Destinations that have something to do and that nobody holds, up to `most` that are slow or in trouble and as many that
/// are not: those of each organisation in the order in which they wait, and of each the first before the second of any.
pub async fn due(conn: &mut Conn, present: Present, most: u32) -> Result<Vec<Due>, StoreError> {
    let Present { now, due_until, held_until } = present;
    let (due_until, held_until) = (due_until.micros(), held_until.micros());
    fetch!(conn, fetch_all, Due, DUE, now.micros(), i64::from(most), due_until, held_until)
}

/// Claims those of these destinations that are still due and that nobody holds; says which. `claim_id` must be fresh.
pub async fn claim(
    tx: &mut Tx,
    ids: &[String],
    claim_id: &str,
    present: Present,
    lease: Duration,
) -> Result<Vec<String>, StoreError> {
    let Present { now, due_until, held_until } = present;
    let (ids, until) = (json_texts(ids), now.plus(lease).micros());
    let (now, due_until, held_until) = (now.micros(), due_until.micros(), held_until.micros());
    let claimed = fetch!(tx, fetch_all, (String,), CLAIM, ids, now, claim_id, until, due_until, held_until)?;
    Ok(claimed.into_iter().map(|(id,)| id).collect())
}

/// Prolongs a claim. False where it no longer counts.
pub async fn renew(
    tx: &mut Tx,
    id: &str,
    claim_id: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, RENEW, id, claim_id, now.plus(lease).micros())? == 1)
}

/// Lets go of a claim; the destination may be tried again from `due_at` on, or at once. False where it no longer counts.
pub async fn release(
    tx: &mut Tx,
    id: &str,
    claim_id: &str,
    due_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, RELEASE, id, claim_id, due_at.map(Timestamp::micros))? == 1)
}

/// Ends all claims: for the only host, when it starts.
pub async fn release_all(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, RELEASE_ALL).map(drop)
}

/// Writes how far the destination is. False where the claim no longer counts: then nothing is written.
pub async fn advance(tx: &mut Tx, id: &str, claim_id: &str, new: &Advance) -> Result<bool, StoreError> {
    let Advance { progress, saved, delivered, error, parked, is_slow, now } = new;
    let (failures, delivered) = (i64::from(progress.failures), i64::from(*delivered));
    let (text, saved, error) = (progress.text(), saved.as_deref(), error.as_deref());
    let (cursor, now) = (progress.cursor, now.micros());
    let done =
        execute!(tx, ADVANCE, id, claim_id, cursor, text, saved, failures, delivered, now, error, *is_slow)?
            == 1;
    if let Some(reason) = parked.as_deref().filter(|_| done) {
        execute!(tx, PARK, id, claim_id, reason)?;
    }
    Ok(done)
}

/// How many events of the log stand behind a place, at most `most`, and the time of the first of them.
pub async fn behind(
    conn: &mut Conn,
    organization_id: Option<&str>,
    cursor: i64,
    most: u32,
) -> Result<(i64, Option<Timestamp>), StoreError> {
    let most = i64::from(most);
    let (count, first): (i64, Option<i64>) = match organization_id {
        None => fetch!(conn, fetch_one, (i64, Option<i64>), BEHIND, cursor, most)?,
        Some(organization) => {
            fetch!(conn, fetch_one, (i64, Option<i64>), BEHIND_OF, cursor, most, organization)?
        }
    };
    Ok((count.min(most), first.map(Timestamp::from_micros)))
}

/// The place of the first event at a time or after it; none where there is none yet.
pub async fn place_at(conn: &mut Conn, time: Timestamp) -> Result<Option<i64>, StoreError> {
    let (seq,): (Option<i64>,) = fetch!(conn, fetch_one, (Option<i64>,), PLACE_AT, time.micros())?;
    Ok(seq)
}
