//! How a version stands: the state that the store has for it, with what the configuration says, what follows from
//! what is arranged now, and what a running server knows better. A row's state is the last host's to look.

use hardpoint_store::plugins::{Plugin, State};

use super::Desk;
use super::arranged::Arranged;
use super::view::{Running, serves};
use crate::worker::reload::decide::{Change, Loaded, decide};

/// How a version stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The store's word for it, or `loading` or `failed`.
    pub(crate) state: String,
    /// Why, and what to do about it.
    pub(crate) reason: Option<String>,
}

impl Standing {
    fn new(state: &str, reason: Option<String>) -> Self {
        Self { state: state.to_owned(), reason }
    }
}

/// What hosts will make of a version that waits.
enum Prospect {
    /// It is compiled and tried out, and serves.
    Serves,
    /// It waits on.
    Waits(String),
}

/// Of what may serve and does not yet.
const LOADING: &str = "it is allowed, and serves as soon as a running host has compiled it and tried it out";

impl Desk {
    /// How a version stands among all versions of its plugin.
    pub(crate) fn standing(
        &self,
        row: &Plugin,
        versions: &[Plugin],
        arranged: &Arranged,
        running: Option<&Running<'_>>,
    ) -> Standing {
        let as_stored = || Standing::new(row.state.as_str(), row.reason.clone());
        let is_pinned = self.pin(&row.id) == Some(&row.digest) && row.state == State::Superseded;
        if !is_pinned && !matches!(row.state, State::Active | State::Paused | State::PendingApproval) {
            return as_stored();
        }
        if let Some(off) = self.config.declared_off(&row.id) {
            return Standing::new(State::Paused.as_str(), Some(off));
        }
        match self.pin(&row.id) {
            Some(pin) if *pin != row.digest => {
                let reason = format!("hardpoint.toml lets only {pin} serve");
                return Standing::new(State::PendingApproval.as_str(), Some(reason));
            }
            // Whatever the store says of it: that is for hosts that pin nothing.
            Some(_) if running.is_some_and(|running| serves(running, row)) => {
                return Standing::new(State::Active.as_str(), None);
            }
            _ => {}
        }
        if let Some(running) = running.filter(|_| row.state != State::Paused) {
            if running.status.loading.contains(&row.digest) {
                return Standing::new("loading", None);
            }
            if let Some(reason) = running.status.failed.get(&row.digest) {
                return Standing::new("failed", Some(reason.clone()));
            }
        }
        if row.state == State::Paused {
            return as_stored();
        }
        let is_paused = versions.iter().any(|version| version.state == State::Paused);
        match self.prospect(row, versions, arranged) {
            Some(Prospect::Waits(reason)) => Standing::new(State::PendingApproval.as_str(), Some(reason)),
            Some(Prospect::Serves) if row.state == State::Active => as_stored(),
            Some(Prospect::Serves) if is_paused => {
                Standing::new(State::Paused.as_str(), Some(after_pause(&row.id)))
            }
            Some(Prospect::Serves) => Standing::new("loading", Some(LOADING.to_owned())),
            None => as_stored(),
        }
    }

    /// What follows for a version from what is arranged now, as a host will decide once it looks and the plugin is
    /// not paused. None where that is what its row says already.
    fn prospect(&self, row: &Plugin, versions: &[Plugin], arranged: &Arranged) -> Option<Prospect> {
        let mut resumed = versions.to_vec();
        for version in resumed.iter_mut().filter(|version| version.state == State::Paused) {
            version.state = State::Active;
        }
        let decision = decide(&self.config, &resumed, arranged, &|_| Loaded::NotYet);
        if decision.load.contains(&row.digest) {
            return Some(Prospect::Serves);
        }
        if let Some((_, reason)) = decision.idle.filter(|(digest, _)| *digest == row.digest) {
            return Some(Prospect::Waits(reason));
        }
        let change = decision.changes.into_iter().find(|(digest, _)| *digest == row.digest);
        match change?.1 {
            Change::Wait(reason) | Change::Reject(reason) => Some(Prospect::Waits(reason)),
            Change::Activate => Some(Prospect::Serves),
        }
    }

    /// The only bytes that the configuration lets serve, if it names any.
    pub(super) fn pin(&self, id: &str) -> Option<&String> {
        self.config.declared.get(id).and_then(|declared| declared.digest.as_ref())
    }
}

/// What is said of a version that would serve if its plugin were not paused.
fn after_pause(id: &str) -> String {
    format!(
        "the plugin is paused: this version takes over once it is resumed with `hardpoint plugin resume {id}`"
    )
}
