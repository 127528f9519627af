//! Going on with the chain: on PostgreSQL one host at a time holds its end; SQLite has one writer, so nobody else can.
//! The two databases read a list out of JSON in ways of their own.

use crate::db::Statement;

macro_rules! head {
    ($lock:literal) => {
        concat!("SELECT seq, hash FROM audit_head WHERE id = 1", $lock)
    };
}

/// The end of the chain, for who goes on with it.
pub(crate) const HOLD_HEAD: Statement =
    Statement { name: "chain_dialect::HOLD_HEAD", sqlite: head!(""), postgres: head!(" FOR UPDATE") };

/// Gives the events in the list `$1` their places: a JSON array of objects with `id`, `seq`, and in hex `body_hash` and
/// `hash`.
pub(crate) const PLACE: Statement = Statement {
    name: "chain_dialect::PLACE",
    sqlite: "UPDATE events SET seq = placed.seq, body_hash = unhex(placed.body_hash), hash = unhex(placed.hash) \
             FROM (SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.seq') AS seq, \
             json_extract(value, '$.body_hash') AS body_hash, json_extract(value, '$.hash') AS hash \
             FROM json_each($1)) AS placed WHERE events.id = placed.id AND events.seq IS NULL",
    postgres: "UPDATE events SET seq = placed.seq, body_hash = decode(placed.body_hash, 'hex'), \
               hash = decode(placed.hash, 'hex') \
               FROM jsonb_to_recordset(CAST($1 AS JSONB)) \
               AS placed (id TEXT, seq BIGINT, body_hash TEXT, hash TEXT) \
               WHERE events.id = placed.id COLLATE \"C\" AND events.seq IS NULL",
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[HOLD_HEAD, PLACE];
