//! What was used, summed up from call records.

use std::time::Duration;

use hardpoint_domain::money::Credits;
use hardpoint_domain::period::Period;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Amount, MaybeMicros, Micros};
use crate::db::{fetch, statements};
use crate::{Conn, StoreError};

/// What was used from some moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Used {
    /// A multiple of the step since the Unix epoch.
    #[sqlx(try_from = "Micros")]
    pub start: Timestamp,
    /// Requests, refused and failed ones too.
    #[sqlx(try_from = "i64")]
    pub requests: u64,
    /// Of these, requests that failed.
    #[sqlx(try_from = "i64")]
    pub failed: u64,
    /// Tokens read.
    #[sqlx(try_from = "i64")]
    pub input_tokens: u64,
    /// Of these, tokens that the provider had in its cache.
    #[sqlx(try_from = "i64")]
    pub cached_input_tokens: u64,
    /// Tokens written.
    #[sqlx(try_from = "i64")]
    pub output_tokens: u64,
}

/// The sum of a column. A plugin may claim any number of tokens; one record counts for no more than 10^12
/// of them, so that no claim makes the sum too large for its type.
macro_rules! sum {
    ($column:literal) => {
        concat!(
            "CAST(SUM(CASE WHEN ",
            $column,
            " > 1000000000000 THEN 1000000000000 ELSE ",
            $column,
            " END) AS BIGINT) AS ",
            $column
        )
    };
}

statements! {
    OF_KEY: concat!(
        "SELECT (time / $4) * $4 AS start, COUNT(*) AS requests, \
         CAST(SUM(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed, ",
        sum!("input_tokens"), ", ", sum!("cached_input_tokens"), ", ", sum!("output_tokens"),
        " FROM call_records WHERE key_id = $1 AND time >= $2 AND time < $3 GROUP BY 1 ORDER BY 1"
    );
    OF_ORGANIZATION: concat!(
        "SELECT CASE WHEN $4 THEN c.key_id END AS key_id, CASE WHEN $5 THEN c.model END AS model, \
         CASE WHEN $6 THEN k.workspace_id END AS workspace_id, \
         CASE WHEN $7 THEN c.time / 86400000000 * 86400000000 END AS day, COUNT(*) AS requests, \
         CAST(SUM(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed, ",
        sum!("input_tokens"), ", ", sum!("cached_input_tokens"), ", ", sum!("output_tokens"),
        ", CAST(SUM(charge) AS BIGINT) AS charge \
         FROM call_records c LEFT JOIN api_keys k ON k.id = c.key_id \
         WHERE c.organization_id = $1 AND c.time >= $2 AND c.time < $3 AND (CAST($8 AS TEXT) IS NULL OR k.workspace_id = $8) \
         GROUP BY 1, 2, 3, 4 ORDER BY SUM(charge) DESC, COUNT(*) DESC, 1, 2, 3, 4 LIMIT $9"
    );
}

/// By what usage is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The key.
    Key,
    /// The model that was asked for.
    Model,
    /// The workspace that the key is bound to.
    Workspace,
    /// The UTC day.
    Day,
}

/// What was used of one sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Share {
    /// The key; none where it is not told apart by it, or there was none.
    pub key_id: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The workspace.
    pub workspace_id: Option<String>,
    /// The day's beginning.
    #[sqlx(try_from = "MaybeMicros")]
    pub day: Option<Timestamp>,
    /// Requests, refused and failed ones too.
    #[sqlx(try_from = "i64")]
    pub requests: u64,
    /// Of these, requests that failed.
    #[sqlx(try_from = "i64")]
    pub failed: u64,
    /// Tokens read.
    #[sqlx(try_from = "i64")]
    pub input_tokens: u64,
    /// Of these, tokens that the provider had in its cache.
    #[sqlx(try_from = "i64")]
    pub cached_input_tokens: u64,
    /// Tokens written.
    #[sqlx(try_from = "i64")]
    pub output_tokens: u64,
    /// What it cost.
    #[sqlx(try_from = "Amount")]
    pub charge: Credits,
}

/// What an organisation used in a period, told apart by these; the dearest first. Only what was used with keys of a
/// workspace, where one is named.
pub async fn of_organization(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    period: Period,
    apart: &[By],
    limit: i64,
) -> Result<Vec<Share>, StoreError> {
    let (from, to) = (period.from.micros(), period.to.micros());
    let by = |by| apart.contains(&by);
    let (key, model, workspace, day) = (by(By::Key), by(By::Model), by(By::Workspace), by(By::Day));
    fetch!(
        conn,
        fetch_all,
        Share,
        OF_ORGANIZATION,
        organization_id,
        from,
        to,
        key,
        model,
        workspace,
        day,
        workspace_id,
        limit
    )
}

/// What an organisation used in a period, all together.
pub async fn total(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    period: Period,
) -> Result<Share, StoreError> {
    let found = of_organization(conn, organization_id, workspace_id, period, &[], 1).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// What a key used from `from` on and before `to`, for each `step` in which it was used at all, oldest
/// first.
pub async fn of_key(
    conn: &mut Conn,
    key_id: &str,
    from: Timestamp,
    to: Timestamp,
    step: Duration,
) -> Result<Vec<Used>, StoreError> {
    let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    fetch!(conn, fetch_all, Used, OF_KEY, key_id, from.micros(), to.micros(), step)
}
