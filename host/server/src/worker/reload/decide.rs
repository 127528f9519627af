//! What follows from the desired set: which version of a plugin serves with which bindings, what has to
//! be loaded first, and what changes in the store. Pure; the keeper carries it out.

use std::borrow::Cow;
use std::sync::Arc;

use hardpoint_domain::manifest::{Manifest, ManifestError};
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::{BindingSpec, Generation};
use hardpoint_store::plugins::{Plugin, Source, State};

use crate::config::Config;
use crate::service::plugins::arranged::Arranged;
use crate::service::plugins::plan::{Planned, plan};
use crate::service::plugins::{has_failed, is_revoked};
use crate::worker::reload::whereabouts::Lack;

/// How far the loading of a version's bytes has come in this process.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// Not begun, or under way.
    NotYet,
    /// It could serve.
    Ready(Arc<Generation>),
    /// It cannot, for this reason.
    Failed(String),
    /// Its bytes are not here (yet): other hosts may have them.
    Missing(Lack),
}

/// A change of a version's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It serves from now on; the one that did is superseded.
    Activate,
    /// It cannot be loaded.
    Reject(String),
    /// It waits (on), for this reason.
    Wait(String),
}

/// What follows for one plugin.
#[derive(Debug, Default)]
pub struct Decision {
    /// The version that serves, and its bindings.
    pub serve: Option<(Arc<Generation>, Vec<BindingSpec>)>,
    /// Digests that are loaded, or have to be, before more can be said.
    pub load: Vec<String>,
    /// Changes in the store, by digest.
    pub changes: Vec<(String, Change)>,
    /// Why the active version, by its digest, does not serve. It stays the active one all the same, and nothing is
    /// written: it serves again as soon as what it lacks is there, waits beside nobody whom an operator approved, and
    /// no host takes back what another one, with another configuration, would write.
    pub idle: Option<(String, String)>,
}

/// Decides about the versions of one plugin.
pub fn decide(
    config: &Config,
    versions: &[Plugin],
    arranged: &Arranged,
    loaded: &dyn Fn(&str) -> Loaded,
) -> Decision {
    let mut decision = Decision::default();
    let declared = versions.first().and_then(|version| config.declared.get(&version.id));
    if declared.is_some_and(|declared| !declared.enabled)
        || versions.iter().any(|version| version.state == State::Paused)
    {
        // Nothing serves, and nothing takes over, until it is resumed.
        return decision;
    }
    let scene = Scene { config, versions, arranged, loaded };
    if let Some(digest) = declared.and_then(|declared| declared.digest.as_ref()) {
        scene.decide_pinned(digest, &mut decision);
        return decision;
    }
    let active = versions.iter().find(|version| version.state == State::Active);
    let live = active.map(|active| scene.serve_on(active, &mut decision)).unwrap_or_default();
    if active.is_some() && decision.serve.is_none() && decision.idle.is_none() {
        scene.serve_before(&mut decision);
    }
    scene.decide_waiting(&live, &mut decision);
    decision
}

/// What is decided on.
struct Scene<'a> {
    config: &'a Config,
    versions: &'a [Plugin],
    arranged: &'a Arranged,
    loaded: &'a dyn Fn(&str) -> Loaded,
}

impl Scene<'_> {
    /// Of those that wait, the newest that may takes over. What needs somebody's word, or lacks something, waits beside
    /// it.
    fn decide_waiting(&self, live: &[Planned], decision: &mut Decision) {
        let mut waiting: Vec<&Plugin> =
            self.versions.iter().filter(|version| version.state == State::PendingApproval).collect();
        waiting.sort_by_key(|version| std::cmp::Reverse(version.updated_at));
        let mut is_taken = false;
        for version in waiting {
            if let Some(reason) = self.unapproved(version) {
                wait(version, reason, decision);
            } else if !is_taken {
                is_taken = self.consider(version, live, decision);
            }
        }
    }

    /// The configuration names the only bytes that serve. That is this host's own matter: but for a candidate where
    /// nothing is active nothing is written, since another host may have another configuration.
    fn decide_pinned(&self, digest: &str, decision: &mut Decision) {
        let usable = |version: &&Plugin| !matches!(version.state, State::Rejected | State::Removed);
        let Some(pinned) = self.versions.iter().filter(usable).find(|version| version.digest == digest)
        else {
            return;
        };
        let is_next = self.versions.iter().all(|version| version.state != State::Active)
            && pinned.state == State::PendingApproval;
        if is_next {
            self.consider(pinned, &[], decision);
        } else {
            self.serve_on(pinned, decision);
        }
    }

    /// The active version serves with those of its bindings that are allowed. Gives all that it has.
    fn serve_on(&self, active: &Plugin, decision: &mut Decision) -> Vec<Planned> {
        let known = (self.loaded)(&active.digest);
        let Ok(manifest) = manifest(active, &known) else {
            let reason = "this host does not understand its manifest".to_owned();
            decision.idle = Some((active.digest.clone(), reason));
            return Vec::new();
        };
        let planned = plan(self.config, self.arranged, &manifest);
        if !planned.iter().any(Planned::is_ready) {
            decision.idle = Some((active.digest.clone(), self.obstacles(active, &manifest, &planned)));
            return planned;
        }
        match &known {
            Loaded::Ready(generation) => {
                decision.serve = Some((Arc::clone(generation), specs(self.config, &manifest, &planned)))
            }
            // The row stays, and so does what others would lose: another host may do better, and so may this one once
            // somebody says `reload`.
            Loaded::NotYet | Loaded::Missing(_) | Loaded::Failed(_) => {
                decision.load.push(active.digest.clone());
            }
        }
        planned
    }

    /// What served before goes on until the version that another host made active is loaded here too. Where that one is
    /// not here, or fails here, the newest of those before it is loaded for it: after a start none is. Only what may
    /// serve is loaded at all, or it would be loaded for nothing, again and again.
    fn serve_before(&self, decision: &mut Decision) {
        let is_lost = |row: &Plugin| {
            let known = (self.loaded)(&row.digest);
            row.state == State::Active && matches!(known, Loaded::Missing(_) | Loaded::Failed(_))
        };
        let mut may_load = self.versions.iter().any(is_lost);
        for row in versions_before(self.versions) {
            let known = (self.loaded)(&row.digest);
            if matches!(known, Loaded::NotYet) && !may_load {
                continue;
            }
            let Ok(manifest) = manifest(row, &known) else { continue };
            let specs = specs(self.config, &manifest, &plan(self.config, self.arranged, &manifest));
            if specs.is_empty() {
                continue;
            }
            match &known {
                Loaded::Ready(generation) => {
                    decision.serve = Some((Arc::clone(generation), specs));
                    return;
                }
                // One at a time.
                Loaded::NotYet => {
                    decision.load.push(row.digest.clone());
                    may_load = false;
                }
                // To be known on.
                Loaded::Failed(_) | Loaded::Missing(_) => decision.load.push(row.digest.clone()),
            }
        }
    }

    /// Why nothing but an operator's word lets a version serve; none where it may without, or has it.
    fn unapproved(&self, version: &Plugin) -> Option<String> {
        let Plugin { id, digest, version: number, .. } = version;
        let declared = self.config.declared.get(id).and_then(|declared| declared.digest.as_ref());
        if version.approved_by.is_some() || declared == Some(digest) {
            return None;
        }
        let command = format!("hardpoint plugin grant {id} --digest {digest}");
        if needs_a_word(version) {
            return Some(format!("uploaded bytes need an operator's approval: `{command}`"));
        }
        let Plugin { digest: known, .. } = other_bytes(self.versions, number, digest)?;
        Some(format!(
            "version {number} was other bytes before, {known}: give it a version of its own, or approve these with \
             `{command}`"
        ))
    }

    /// A candidate becomes active if no binding that is live would be lost by it, and if it loads. Whether it is, or will
    /// be as soon as it is loaded, here or on a host that has its bytes.
    fn consider(&self, candidate: &Plugin, live: &[Planned], decision: &mut Decision) -> bool {
        let digest = &candidate.digest;
        let known = (self.loaded)(digest);
        let manifest = match manifest(candidate, &known) {
            Ok(manifest) => manifest,
            Err(error) => {
                decision.changes.push((digest.clone(), Change::Reject(format!("manifest: {error}"))));
                return false;
            }
        };
        let planned = plan(self.config, self.arranged, &manifest);
        let lost: Vec<Planned> = planned.iter().filter(|planned| planned.loses(live)).cloned().collect();
        if !lost.is_empty() {
            wait(candidate, self.obstacles(candidate, &manifest, &lost), decision);
            return false;
        }
        if !planned.iter().any(Planned::is_ready) {
            wait(candidate, self.obstacles(candidate, &manifest, &planned), decision);
            return false;
        }
        match &known {
            Loaded::Ready(generation) => {
                decision.serve = Some((Arc::clone(generation), specs(self.config, &manifest, &planned)));
                decision.changes.push((digest.clone(), Change::Activate));
                true
            }
            // Nobody is told what this host alone lacks.
            Loaded::NotYet | Loaded::Missing(_) => {
                decision.load.push(digest.clone());
                true
            }
            Loaded::Failed(reason) => {
                decision.changes.push((digest.clone(), Change::Reject(reason.clone())));
                false
            }
        }
    }

    /// Why none of these bindings of a version can be live.
    fn obstacles(&self, version: &Plugin, manifest: &Manifest, planned: &[Planned]) -> String {
        let id = &manifest.id;
        if planned.is_empty() {
            return format!(
                "no binding: the name `{id}` is that of another plugin's; make one with `hardpoint plugin bind {id} NAME`"
            );
        }
        let named = named(self.versions, version);
        planned.iter().filter_map(|planned| planned.obstacle(id, named)).collect::<Vec<_>>().join("; ")
    }
}

/// Says that a candidate waits, unless its row says the same already.
fn wait(candidate: &Plugin, reason: String, decision: &mut Decision) {
    if candidate.reason.as_ref() != Some(&reason) {
        decision.changes.push((candidate.digest.clone(), Change::Wait(reason)));
    }
}

/// Of the versions that wait to be active, the one that was published or approved last: what a command without a
/// digest means.
pub fn candidate(versions: &[Plugin]) -> Option<&Plugin> {
    versions
        .iter()
        .filter(|version| version.state == State::PendingApproval)
        .max_by_key(|version| version.updated_at)
}

/// The version that a command without a digest means.
pub fn meant(versions: &[Plugin]) -> Option<&Plugin> {
    let active = || versions.iter().find(|version| matches!(version.state, State::Active | State::Paused));
    let newest = || versions.iter().find(|version| version.state != State::Removed);
    candidate(versions).or_else(active).or_else(newest)
}

/// The digest that a command about this version has to name, where without it another one would be meant.
pub fn named<'a>(versions: &[Plugin], version: &'a Plugin) -> Option<&'a str> {
    let is_meant = meant(versions).is_some_and(|meant| meant.digest == version.digest);
    (!is_meant).then_some(&*version.digest)
}

/// The versions that served and do not now, the one that did last first: what `rollback` goes back to, and what serves
/// where the active one cannot.
pub fn versions_before(versions: &[Plugin]) -> Vec<&Plugin> {
    let mut before: Vec<&Plugin> = versions.iter().filter(|row| has_served(row)).collect();
    before.sort_by_key(|row| std::cmp::Reverse(row.served_at));
    before
}

/// Whether a version served, and another one does in its place.
pub fn has_served(version: &Plugin) -> bool {
    version.state == State::Superseded && version.served_at.is_some()
}

/// Whether nothing but an operator's word ever lets a version serve: uploaded bytes that nobody approved.
pub fn needs_a_word(version: &Plugin) -> bool {
    version.source == Source::Upload && version.approved_by.is_none()
}

/// Whether an operator approved a version that does not serve yet: it waits, or could not be loaded.
pub fn is_next(version: &Plugin) -> bool {
    let waits = match version.state {
        State::PendingApproval => true,
        _ => has_failed(version),
    };
    waits && version.approved_by.is_some()
}

/// When a word is given for a version of a plugin: now, and after all that was said of the others, whosever clock
/// that was said by. What was published, approved or gone back to last is the last by this.
pub fn word(versions: &[Plugin], now: Timestamp) -> Timestamp {
    let last = versions.iter().map(|version| version.updated_at).max();
    last.map_or(now, |last| now.max(Timestamp::from_micros(last.micros() + 1)))
}

/// The bytes that this version had before, where these are others and no operator has approved exactly these:
/// a version is the same bytes wherever it is, or whoever looked at it once has looked at nothing. What could
/// not be loaded never was that version.
pub fn other_bytes<'a>(versions: &'a [Plugin], version: &str, digest: &str) -> Option<&'a Plugin> {
    if versions.iter().any(|row| row.digest == digest && row.approved_by.is_some()) {
        return None;
    }
    let was_loaded = |row: &Plugin| row.state != State::Rejected || is_revoked(row);
    versions.iter().find(|row| row.version == version && row.digest != digest && was_loaded(row))
}

/// Read already where the version is loaded: with a thousand plugins, reading is most of what a decision takes.
fn manifest<'a>(version: &Plugin, known: &'a Loaded) -> Result<Cow<'a, Manifest>, ManifestError> {
    match known {
        Loaded::Ready(generation) => Ok(Cow::Borrowed(generation.manifest())),
        _ => Manifest::from_toml(&version.manifest).map(Cow::Owned),
    }
}

fn specs(config: &Config, manifest: &Manifest, planned: &[Planned]) -> Vec<BindingSpec> {
    planned
        .iter()
        .filter(|planned| planned.is_ready())
        .map(|planned| planned.spec(config, manifest))
        .collect()
}

#[cfg(test)]
mod sequences;
