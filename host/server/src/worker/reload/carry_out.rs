//! A change that was decided on, carried out in the store: only if what it was decided on is still so.

use std::collections::BTreeMap;

use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::plugins::{self, Plugin, Source, State};
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

    /// Why a version waits is written once: each write is seen, and answered, by every host, and hosts with different
    /// configurations know different reasons. Who looks is told what follows by then.
    pub(super) fn is_worth_writing(&self, row: &Plugin) -> bool {
        !matches!(self, Self::Wait(_)) || row.reason.is_none()
    }

    /// The event's kind; none where nothing happened that anybody needs to hear of.
    fn event(&self) -> Option<&'static str> {
        match self {
            Self::Activate => Some("plugin.activated"),
            Self::Reject(_) => Some("plugin.rejected"),
            Self::Wait(_) => None,
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
    let versions = plugins::versions(tx, &decided_on.id).await?;
    if !is_still_so(&versions, decided_on, change) {
        return Ok(false);
    }
    let (row, state, reason) = (decided_on, change.state(), change.reason());
    if state == row.state {
        // It waits on: what came first stays first.
        plugins::set_reason(tx, &row.id, &row.digest, reason).await?;
    } else {
        plugins::set_state(tx, &row.id, &row.digest, state, reason, now).await?;
    }
    let mut taken_back = BTreeMap::new();
    if state == State::Active {
        pass_over(tx, &versions, row, now).await?;
        taken_back = narrow(tx, config, row).await?;
    }
    let Some(kind) = change.event() else { return Ok(true) };
    let mut after = json!({ "version": row.version, "digest": row.digest, "reason": reason });
    if !taken_back.is_empty() {
        after["taken_back"] = json!(taken_back);
    }
    tx.append(&Author::system().event(now, rng, kind, events::plugin(&row.id), after), &[]).await?;
    Ok(true)
}

/// What waited when the version that is active now was published or approved waits no more, as far as it would take
/// over by itself: once this one serves, and what it asks for is allowed, an older one would come in its place.
async fn pass_over(
    tx: &mut Tx,
    versions: &[Plugin],
    active: &Plugin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = format!("version {} was made active, which came after it", active.version);
    let waits_for_nobody = |row: &&Plugin| row.approved_by.is_some() || row.source == Source::Folder;
    let older =
        versions.iter().filter(|row| row.state == State::PendingApproval && row.digest != active.digest);
    for row in older.filter(waits_for_nobody).filter(|row| row.updated_at <= active.updated_at) {
        plugins::set_state(tx, &row.id, &row.digest, State::Superseded, Some(&reason), now).await?;
    }
    Ok(())
}

fn is_still_so(versions: &[Plugin], decided_on: &Plugin, change: &Change) -> bool {
    let what_counts = |row: &Plugin| (row.state, row.approved_by.clone(), row.updated_at);
    let now = versions.iter().find(|row| row.digest == decided_on.digest);
    // Nothing takes over from a version that was paused.
    let takes_over = change.state() == State::Active;
    let is_paused = versions.iter().any(|row| row.state == State::Paused);
    now.is_some_and(|now| what_counts(now) == what_counts(decided_on)) && !(takes_over && is_paused)
}
