//! What was done with a key, from its call records.

use std::time::Duration;

use hardpoint_domain::period::{Granularity, Period};
use hardpoint_store::call_records::{self, CallRecord};
use hardpoint_store::usage::{self, Used};
use hardpoint_store::{StoreError, Window};

use super::{Accounts, Principal};
use crate::error::ApiError;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What a key used, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// For which time.
    pub period: Period,
    /// How long the steps are.
    pub granularity: Granularity,
    /// Every step, oldest first, also those in which nothing was used.
    pub steps: Vec<Used>,
    /// All of it.
    pub total: Used,
}

impl Accounts {
    /// A key's calls, newest first, and how many there are.
    ///
    /// # Errors
    /// 404 for no such key.
    pub async fn key_calls(
        &self,
        by: &Principal,
        id: &str,
        window: Window,
    ) -> Result<(Vec<CallRecord>, i64), ApiError> {
        let key = self.key(by, id).await?;
        let mut conn = self.store.read().await?;
        let calls = call_records::page_of_key(&mut conn, &key.id, window).await?;
        Ok((calls, call_records::count_of_key(&mut conn, &key.id).await?))
    }

    /// What a key used in a time such as `24h`, `7d` or `2026-03-01,2026-03-15`; in steps that fit it
    /// where none are named.
    ///
    /// # Errors
    /// 400 for a time that is none, or would have too many steps; 404 for no such key.
    pub async fn key_usage(
        &self,
        by: &Principal,
        id: &str,
        range: &str,
        granularity: Option<Granularity>,
    ) -> Result<KeyUsage, ApiError> {
        let key = self.key(by, id).await?;
        let period = Period::parse(range, self.clock.now()).ok_or_else(|| {
            let message = "The 'range' parameter must be hours (`24h`), days (`7d`), or two times (`2026-03-01,2026-03-15`), the earlier first.";
            ApiError::bad_field("range", "range", message)
        })?;
        let granularity = granularity.unwrap_or_else(|| period.granularity());
        let steps = period.steps(granularity).ok_or_else(|| {
            let message = "The 'granularity' parameter divides this range into too many steps.";
            ApiError::bad_field("granularity", "range", message)
        })?;
        let mut steps: Vec<Used> = steps.into_iter().map(|start| Used { start, ..Used::default() }).collect();
        let mut total = Used { start: period.from, ..Used::default() };
        for used in self.used(&key.id, period, granularity).await? {
            add(&mut total, &used);
            let start = granularity.start(used.start);
            if let Ok(at) = steps.binary_search_by_key(&start, |step| step.start) {
                add(&mut steps[at], &used);
            }
        }
        Ok(KeyUsage { period, granularity, steps, total })
    }

    /// In hours, or in days that weeks and months are then added up from.
    async fn used(
        &self,
        key_id: &str,
        period: Period,
        granularity: Granularity,
    ) -> Result<Vec<Used>, StoreError> {
        let step = if granularity == Granularity::Hour { HOUR } else { DAY };
        usage::of_key(&mut self.store.read().await?, key_id, period.from, period.to, step).await
    }
}

fn add(sum: &mut Used, more: &Used) {
    sum.requests += more.requests;
    sum.failed += more.failed;
    sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
    sum.cached_input_tokens = sum.cached_input_tokens.saturating_add(more.cached_input_tokens);
    sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
}
