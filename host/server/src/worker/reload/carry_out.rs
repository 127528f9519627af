//! A change that was decided on, carried out in the store: only if what it was decided on is still so.

use std::collections::BTreeMap;

use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{StoreError, Tx, begin_change};
use serde_json::json;

use super::decide::{Change, is_next, needs_a_word, other_bytes, word};
use crate::config::Config;
use crate::service::events::{self, Author};
use crate::service::plugins::narrow::narrow;
use crate::service::plugins::{has_failed, set_aside};

/// Who approved bytes that the configuration names.
const NAMED: &str = "hardpoint.toml";

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
    if !is_still_so(config, &versions, decided_on, change) {
        return Ok(false);
    }
    let (row, state, reason) = (decided_on, change.state(), change.reason());
    let (mut taken_back, mut passed_over) = (BTreeMap::new(), Vec::new());
    let mut is_named = false;
    match change {
        // It waits on: what came first stays first.
        Change::Wait(_) => drop(plugins::set_reason(tx, &row.id, &row.digest, reason).await?),
        // It keeps its place, should it be tried again.
        Change::Reject(_) => {
            plugins::set_state(tx, &row.id, &row.digest, state, reason, row.updated_at).await?;
        }
        Change::Activate => {
            let since = word(&versions, now);
            // Who names the bytes in hardpoint.toml approves them: they serve at the other hosts too.
            is_named = needs_leave(&versions, row);
            if is_named {
                plugins::approve(tx, &row.id, &row.digest, NAMED, since).await?;
            }
            plugins::set_state(tx, &row.id, &row.digest, state, reason, since).await?;
            passed_over = pass_over(tx, &versions, row, since).await?;
            // What was approved since is to serve after it, and keeps what it was allowed.
            let since = |other: &&Plugin| is_next(other) && other.updated_at > row.updated_at;
            let next: Vec<&Plugin> = versions.iter().filter(since).collect();
            taken_back = narrow(tx, config, row, &next).await?;
        }
    }
    let Some(kind) = change.event() else { return Ok(true) };
    let mut after = json!({ "version": row.version, "digest": row.digest, "reason": reason });
    if is_named {
        after["approved_by"] = json!(NAMED);
    }
    if !taken_back.is_empty() {
        after["taken_back"] = json!(taken_back);
    }
    if !passed_over.is_empty() {
        after["set_aside"] = json!(passed_over);
    }
    tx.append(&Author::system().event(now, rng, kind, events::plugin(&row.id), after), &[]).await?;
    Ok(true)
}

/// What waited when the version that is active now was published or approved, or could not be loaded, waits no more,
/// as far as it would take over by itself: once this one serves, and what it asks for is allowed or a host starts anew,
/// an older one would come in its place. Gives the digests of those, for the event.
async fn pass_over(
    tx: &mut Tx,
    versions: &[Plugin],
    active: &Plugin,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let reason = format!("version {} was made active, which came after it", active.version);
    let older =
        versions.iter().filter(|row| row.digest != active.digest && row.updated_at <= active.updated_at);
    let mut passed_over = Vec::new();
    for row in older.filter(|row| !needs_a_word(row)) {
        if row.state == State::PendingApproval {
            plugins::set_state(tx, &row.id, &row.digest, State::Superseded, Some(&reason), now).await?;
        } else if has_failed(row) {
            set_aside(tx, row, &reason).await?;
        } else {
            continue;
        }
        passed_over.push(row.digest.clone());
    }
    Ok(passed_over)
}

/// Whether nobody has approved bytes that need it.
fn needs_leave(versions: &[Plugin], row: &Plugin) -> bool {
    needs_a_word(row) || other_bytes(versions, &row.version, &row.digest).is_some()
}

fn is_still_so(config: &Config, versions: &[Plugin], decided_on: &Plugin, change: &Change) -> bool {
    let what_counts = |row: &Plugin| (row.state, row.approved_by.clone(), row.updated_at);
    let now = versions.iter().find(|row| row.digest == decided_on.digest);
    // Nothing takes over from a version that was paused.
    let takes_over = change.state() == State::Active;
    let is_paused = versions.iter().any(|row| row.state == State::Paused);
    // Nor does what only this host names.
    let pin = config.declared.get(&decided_on.id).and_then(|declared| declared.digest.as_ref());
    // Nor what needs somebody's word by now, where the configuration does not name it.
    let is_late = match pin {
        Some(_) => versions.iter().any(|row| row.state == State::Active),
        None => needs_leave(versions, decided_on),
    };
    now.is_some_and(|now| what_counts(now) == what_counts(decided_on))
        && !(takes_over && (is_paused || is_late))
}
