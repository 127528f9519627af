//! A change that was decided on, carried out in the store: only if what it was decided on is still so.

use std::collections::BTreeMap;

use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{StoreError, Tx, begin_change};
use serde_json::json;

use super::decide::Change;
use crate::config::Config;
use crate::service::events::{self, Author};
use crate::service::plugins::narrow::narrow;

impl Change {
    /// The state that it leads to.
    pub(super) fn state(&self) -> State {
        match self {
            Self::Activate => State::Active,
            Self::Reject(_) => State::Rejected,
            Self::Wait(_) => State::PendingApproval,
        }
    }

    /// Why, for people.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Activate => None,
            Self::Reject(reason) | Self::Wait(reason) => Some(reason),
        }
    }

    /// The event's kind; none where nothing happened that anybody needs to hear of.
    fn event(&self, before: State) -> Option<&'static str> {
        match self {
            Self::Activate => Some("plugin.activated"),
            Self::Reject(_) => Some("plugin.rejected"),
            Self::Wait(_) => (before == State::Active).then_some("plugin.suspended"),
        }
    }
}

/// Changes the row as was decided when it was `decided_on`. False, and nothing done, where an operator or another
/// host was faster: what they discarded, removed, revoked or paused does not come back by an older decision.
///
/// # Errors
/// The store's.
pub(super) async fn carry_out(
    tx: &mut Tx,
    config: &Config,
    decided_on: &Plugin,
    change: &Change,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<bool, StoreError> {
    begin_change(tx).await?;
    if !is_still_so(&plugins::versions(tx, &decided_on.id).await?, decided_on, change) {
        return Ok(false);
    }
    let (row, state, reason) = (decided_on, change.state(), change.reason());
    if state == row.state {
        // It waits on: what came first stays first.
        plugins::set_reason(tx, &row.id, &row.digest, reason).await?;
    } else {
        plugins::set_state(tx, &row.id, &row.digest, state, reason, now).await?;
    }
    let taken_back = match state {
        State::Active => narrow(tx, config, row).await?,
        _ => BTreeMap::new(),
    };
    let Some(kind) = change.event(row.state) else { return Ok(true) };
    let mut after = json!({ "version": row.version, "digest": row.digest, "reason": reason });
    if !taken_back.is_empty() {
        after["taken_back"] = json!(taken_back);
    }
    tx.append(&Author::system().event(now, rng, kind, events::plugin(&row.id), after), &[]).await?;
    Ok(true)
}

fn is_still_so(versions: &[Plugin], decided_on: &Plugin, change: &Change) -> bool {
    let what_counts = |row: &Plugin| (row.state, row.approved_by.clone(), row.updated_at);
    let now = versions.iter().find(|row| row.digest == decided_on.digest);
    // Nothing takes over from a version that was paused.
    let takes_over = change.state() == State::Active;
    let is_paused = versions.iter().any(|row| row.state == State::Paused);
    now.is_some_and(|now| what_counts(now) == what_counts(decided_on)) && !(takes_over && is_paused)
}
