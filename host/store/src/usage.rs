//! What was used, summed up from call records.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
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
