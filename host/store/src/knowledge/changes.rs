//! What was changed of what can be found, in order: hosts' indexes follow it.
//!
//! Numbers are dense, from 1. Each is taken from the one row of `knowledge_head` in the transaction that makes the
//! change, and whoever takes one holds that row until the transaction is committed or undone. So the next number can
//! only be taken by who comes after that: changes become visible in the order of their numbers, an undone one gives
//! its number back, and who read up to a number has missed nothing before it. The row is taken last in a transaction,
//! and these are short: all that takes long was written before, where nobody sees it.
//!
//! A change tells what has become; what it tells is read when it is applied. If rows are gone by then, a later change
//! says why. So applying one twice, or one that is out of date, does no harm.

use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

words! {
    /// What was changed.
    pub enum Kind {
        /// An edition of a document can be found, in the place of whatever was there of it: `count` chunks.
        Published = "published",
        /// Chunks have vectors of a generation: `count` of them from `first_ordinal` on.
        Embedded = "embedded",
        /// A document is gone.
        Removed = "removed",
        /// A knowledge base is gone, with all that was in it.
        BaseRemoved = "base_removed",
        /// The vectors of this generation are searched from here on, and no others.
        Switched = "switched",
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Change {
    /// Its number; 0 as long as it has none.
    pub seq: i64,
    /// What was changed.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// In which knowledge base.
    pub knowledge_base_id: String,
    /// Of which document.
    pub document_id: Option<String>,
    /// Which edition of it.
    pub edition: Option<i64>,
    /// Which set of vectors.
    pub generation: Option<i64>,
    /// The first chunk.
    pub first_ordinal: Option<i64>,
    /// How many chunks.
    pub count: Option<i64>,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub time: Timestamp,
}

/// How far the changes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Head {
    /// The last number that was given; 0 before the first.
    pub seq: i64,
    /// The last one that was forgotten. Who has not come that far builds its index anew.
    pub forgotten: i64,
}

/// How far a host's index has come.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Follower {
    /// The host.
    pub host_id: String,
    /// Up to here.
    pub seq: i64,
    /// When it last said so.
    #[sqlx(try_from = "Micros")]
    pub seen_at: Timestamp,
}

impl Change {
    fn of(kind: Kind, knowledge_base_id: &str) -> Self {
        Self {
            seq: 0,
            kind,
            knowledge_base_id: knowledge_base_id.to_owned(),
            document_id: None,
            edition: None,
            generation: None,
            first_ordinal: None,
            count: None,
            time: Timestamp::default(),
        }
    }

    pub(super) fn published(base: &str, document: &str, edition: i64, count: i64) -> Self {
        let (document_id, edition) = (Some(document.to_owned()), Some(edition));
        Self { document_id, edition, count: Some(count), ..Self::of(Kind::Published, base) }
    }

    pub(super) fn embedded(
        base: &str,
        document: &str,
        edition: i64,
        generation: i64,
        first: i64,
        count: i64,
    ) -> Self {
        Self {
            document_id: Some(document.to_owned()),
            edition: Some(edition),
            generation: Some(generation),
            first_ordinal: Some(first),
            count: Some(count),
            ..Self::of(Kind::Embedded, base)
        }
    }

    pub(super) fn removed(base: &str, document: &str) -> Self {
        Self { document_id: Some(document.to_owned()), ..Self::of(Kind::Removed, base) }
    }

    pub(super) fn base_removed(base: &str) -> Self {
        Self::of(Kind::BaseRemoved, base)
    }

    pub(super) fn switched(base: &str, generation: i64) -> Self {
        Self { generation: Some(generation), ..Self::of(Kind::Switched, base) }
    }
}

statements! {
    TAKE: "UPDATE knowledge_head SET seq = seq + 1 WHERE id = 1 RETURNING seq";
    INSERT: "INSERT INTO knowledge_changes (seq, kind, knowledge_base_id, document_id, edition, generation, \
             first_ordinal, count, time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    HEAD: "SELECT seq, forgotten FROM knowledge_head WHERE id = 1";
    AFTER: "SELECT seq, kind, knowledge_base_id, document_id, edition, generation, first_ordinal, count, time \
            FROM knowledge_changes WHERE seq > $1 ORDER BY seq LIMIT $2";
    // Numbers, not times, say what is old: clocks of hosts differ.
    FORGET: "DELETE FROM knowledge_changes WHERE seq <= (SELECT forgotten FROM knowledge_head) + $2 \
             AND seq < COALESCE((SELECT MIN(seq) FROM knowledge_changes WHERE time > $1), 9223372036854775807)";
    FORGOTTEN: "UPDATE knowledge_head SET forgotten = COALESCE((SELECT MIN(seq) - 1 FROM knowledge_changes), seq) \
                WHERE id = 1";
    FOLLOW: "INSERT INTO knowledge_followers (host_id, seq, seen_at) VALUES ($1, $2, $3) \
             ON CONFLICT (host_id) DO UPDATE SET seq = excluded.seq, seen_at = excluded.seen_at";
    FOLLOWERS: "SELECT host_id, seq, seen_at FROM knowledge_followers ORDER BY host_id";
    UNFOLLOW: "DELETE FROM knowledge_followers WHERE seen_at <= $1";
}

/// Gives a change the next number and keeps it. To be called last in a transaction.
pub(super) async fn append(tx: &mut Tx, change: &Change, now: Timestamp) -> Result<i64, StoreError> {
    let (seq,): (i64,) = fetch!(tx, fetch_one, (i64,), TAKE)?;
    execute!(
        tx,
        INSERT,
        seq,
        change.kind.as_str(),
        &change.knowledge_base_id,
        change.document_id.as_deref(),
        change.edition,
        change.generation,
        change.first_ordinal,
        change.count,
        now.micros(),
    )?;
    Ok(seq)
}

/// How far the changes go: what a search must see that is to find all that was answered before.
pub async fn head(conn: &mut Conn) -> Result<Head, StoreError> {
    fetch!(conn, fetch_one, Head, HEAD)
}

/// Up to `limit` changes after a number, in order. Where that is before [`Head::forgotten`] some are missing.
pub async fn after(conn: &mut Conn, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
    fetch!(conn, fetch_all, Change, AFTER, seq, i64::from(limit))
}

/// Forgets up to `batch` changes, the oldest, of before a time; how many. Whose index has not come that far builds it
/// anew, from the documents.
pub async fn forget(tx: &mut Tx, until: Timestamp, batch: u32) -> Result<u64, StoreError> {
    let gone = execute!(tx, FORGET, until.micros(), i64::from(batch))?;
    if gone > 0 {
        execute!(tx, FORGOTTEN)?;
    }
    Ok(gone)
}

/// Notes how far a host's index has come, on its disk: what was removed before that is in none of its files.
pub async fn follow(tx: &mut Tx, host_id: &str, seq: i64, now: Timestamp) -> Result<(), StoreError> {
    execute!(tx, FOLLOW, host_id, seq, now.micros()).map(drop)
}

/// How far hosts' indexes have come.
pub async fn followers(conn: &mut Conn) -> Result<Vec<Follower>, StoreError> {
    fetch!(conn, fetch_all, Follower, FOLLOWERS)
}

/// Forgets hosts that were last seen at `seen_until` or before; how many.
pub async fn unfollow(tx: &mut Tx, seen_until: Timestamp) -> Result<u64, StoreError> {
    execute!(tx, UNFOLLOW, seen_until.micros())
}
