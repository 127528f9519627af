//! Writing an event. In the same statement it is asked which webhook endpoints its organisation has: a statement of its
//! own would cost as much again. The two databases make a list in JSON in ways of their own.

use crate::db::Statement;

macro_rules! insert {
    ($list:literal) => {
        concat!(
            "INSERT INTO events (id, time, organization_id, kind, body, body_hash, workspace_id, actor_id, target_id, \
             request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING (SELECT ",
            $list,
            " FROM webhook_endpoints WHERE webhook_endpoints.organization_id = $3 AND is_enabled)"
        )
    };
}

/// Writes an event, and gives the endpoints that are switched on: a JSON array of arrays of an id and what stands in
/// `events`; or null.
pub(crate) const INSERT: Statement = Statement {
    name: "events_dialect::INSERT",
    sqlite: insert!("json_group_array(json_array(webhook_endpoints.id, webhook_endpoints.events))"),
    postgres: insert!(
        "CAST(json_agg(json_build_array(webhook_endpoints.id, webhook_endpoints.events)) AS TEXT)"
    ),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[INSERT];
