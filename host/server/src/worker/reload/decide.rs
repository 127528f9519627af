//! What follows from the desired set: which version of a plugin serves with which bindings, what has to
//! be loaded first, and what changes in the store. Pure; the keeper carries it out.

use std::borrow::Cow;
use std::sync::Arc;

use hardpoint_domain::manifest::{Manifest, ManifestError};
use hardpoint_runtime::{BindingSpec, Generation};
use hardpoint_store::plugins::{Plugin, Source, State};

use crate::config::Config;
use crate::service::plugins::arranged::Arranged;
use crate::service::plugins::is_revoked;
use crate::service::plugins::plan::{Planned, plan};
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
    /// Why the active version, by its digest, does not serve and stays the active one all the same: what it lacks is
    /// this host's own matter, and a host where nothing is missing would take a change back, for ever; or another
    /// version is approved to be next, and what came to wait after that one would overtake it.
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
    if let Some(digest) = declared.and_then(|declared| declared.digest.as_ref()) {
        decide_pinned(config, versions, digest, arranged, loaded, &mut decision);
        return decision;
    }
    let active = versions.iter().find(|version| version.state == State::Active);
    let live =
        active.map(|active| serve_on(config, active, arranged, loaded, &mut decision)).unwrap_or_default();
    let is_settled = !decision.changes.is_empty() || decision.idle.is_some();
    if active.is_some() && decision.serve.is_none() && !is_settled {
        serve_before(config, versions, arranged, loaded, &mut decision);
    }
    if let Some(candidate) = candidate(versions) {
        consider(config, candidate, versions, arranged, &live, loaded, &mut decision);
        if let Some(active) = active {
            leave_next(active, candidate, &mut decision);
        }
    }
    decision
}

/// An active version that cannot serve does not wait beside a candidate that takes over, nor beside one that an
/// operator has approved: by their word that one is next. Nothing is written then, so that it serves again as soon as
/// what it lacks is there, until the other one can.
fn leave_next(active: &Plugin, candidate: &Plugin, decision: &mut Decision) {
    let waits = |(of, change): &(String, Change)| *of == active.digest && matches!(change, Change::Wait(_));
    if takes_over(decision, &candidate.digest) {
        // Which sets it aside.
        decision.changes.retain(|change| !waits(change));
        return;
    }
    let is_rejected =
        |(of, change): &(String, Change)| *of == candidate.digest && matches!(change, Change::Reject(_));
    if candidate.approved_by.is_none() || decision.changes.iter().any(is_rejected) {
        return;
    }
    for (digest, change) in decision.changes.extract_if(.., |change| waits(change)) {
        let lack = change.reason().unwrap_or_default();
        let next = &candidate.version;
        let reason =
            format!("{lack}; version {next} is approved to be next: for this one, add `--digest {digest}`");
        decision.idle = Some((digest, reason));
    }
}

/// Whether a candidate is activated, or will be as soon as it is loaded, here or on a host that has its bytes.
fn takes_over(decision: &Decision, digest: &str) -> bool {
    let is_activated =
        decision.changes.iter().any(|(of, change)| of == digest && *change == Change::Activate);
    is_activated || decision.load.iter().any(|of| of == digest)
}

/// The configuration names the only bytes that serve. That is this host's own matter: where the store has
/// another version as the active one, nothing is written, since another host may have another configuration.
fn decide_pinned(
    config: &Config,
    versions: &[Plugin],
    digest: &str,
    arranged: &Arranged,
    loaded: &dyn Fn(&str) -> Loaded,
    decision: &mut Decision,
) {
    let usable = |version: &&Plugin| !matches!(version.state, State::Rejected | State::Removed);
    let Some(pinned) = versions.iter().filter(usable).find(|version| version.digest == digest) else {
        return;
    };
    if pinned.state == State::Active {
        serve_on(config, pinned, arranged, loaded, decision);
        return;
    }
    if versions.iter().all(|version| version.state != State::Active) {
        return consider(config, pinned, versions, arranged, &[], loaded, decision);
    }
    serve_on(config, pinned, arranged, loaded, decision);
    decision.changes.clear();
}

/// The version that waits to be active: the one that was published or approved last.
pub fn candidate(versions: &[Plugin]) -> Option<&Plugin> {
    versions
        .iter()
        .filter(|version| version.state == State::PendingApproval)
        .max_by_key(|version| version.updated_at)
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

/// The active version serves with those of its bindings that are allowed; gives their names.
fn serve_on(
    config: &Config,
    active: &Plugin,
    arranged: &Arranged,
    loaded: &dyn Fn(&str) -> Loaded,
    decision: &mut Decision,
) -> Vec<String> {
    let known = loaded(&active.digest);
    let Ok(manifest) = manifest(active, &known) else {
        let reason = "this host does not understand its manifest any more".to_owned();
        decision.changes.push((active.digest.clone(), Change::Reject(reason)));
        return Vec::new();
    };
    let planned = plan(config, arranged, &manifest);
    if !planned.iter().any(Planned::is_ready) {
        let (digest, reason) = (active.digest.clone(), obstacles(&manifest, &planned));
        if planned.iter().any(Planned::is_held_up_here) {
            decision.idle = Some((digest, reason));
        } else {
            decision.changes.push((digest, Change::Wait(reason)));
        }
        return Vec::new();
    }
    match &known {
        Loaded::Ready(generation) => {
            decision.serve = Some((Arc::clone(generation), specs(config, &manifest, &planned)))
        }
        Loaded::NotYet | Loaded::Missing(_) => decision.load.push(active.digest.clone()),
        // The row stays: another host may do better, and so may this one once somebody says `reload`.
        Loaded::Failed(_) => {
            decision.load.push(active.digest.clone());
            return Vec::new();
        }
    }
    planned.into_iter().filter(Planned::is_ready).map(|planned| planned.name).collect()
}

/// What served before goes on until the version that another host made active is loaded here too. Where that one is
/// not here, or fails here, the newest of those before it is loaded for it: after a start none is. Only what may serve
/// is loaded at all, or it would be loaded for nothing, again and again.
fn serve_before(
    config: &Config,
    versions: &[Plugin],
    arranged: &Arranged,
    loaded: &dyn Fn(&str) -> Loaded,
    decision: &mut Decision,
) {
    let is_lost = |row: &Plugin| {
        row.state == State::Active && matches!(loaded(&row.digest), Loaded::Missing(_) | Loaded::Failed(_))
    };
    let mut may_load = versions.iter().any(is_lost);
    for row in versions_before(versions) {
        let known = loaded(&row.digest);
        if matches!(known, Loaded::NotYet) && !may_load {
            continue;
        }
        let Ok(manifest) = manifest(row, &known) else { continue };
        let specs = specs(config, &manifest, &plan(config, arranged, &manifest));
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

/// A candidate becomes active if it may, if no binding that is live would be lost by it, and if it loads.
fn consider(
    config: &Config,
    candidate: &Plugin,
    versions: &[Plugin],
    arranged: &Arranged,
    live: &[String],
    loaded: &dyn Fn(&str) -> Loaded,
    decision: &mut Decision,
) {
    let digest = &candidate.digest;
    let Decision { serve, load, changes, .. } = decision;
    let mut change = |change: Change| {
        // Only what differs is written: every write is seen, and answered, by every host.
        if !matches!(&change, Change::Wait(reason) if candidate.reason.as_ref() == Some(reason)) {
            changes.push((digest.clone(), change));
        }
    };
    let known = loaded(digest);
    let manifest = match manifest(candidate, &known) {
        Ok(manifest) => manifest,
        Err(error) => return change(Change::Reject(format!("manifest: {error}"))),
    };
    let command = || format!("hardpoint plugin grant {} --digest {digest}", manifest.id);
    let declared = config.declared.get(&candidate.id).and_then(|declared| declared.digest.as_ref());
    let is_approved = candidate.approved_by.is_some() || declared == Some(digest);
    if candidate.source == Source::Upload && !is_approved {
        return change(Change::Wait(format!("uploaded bytes need an operator's approval: `{}`", command())));
    }
    if !is_approved && let Some(known) = other_bytes(versions, &candidate.version, digest) {
        return change(Change::Wait(format!(
            "version {} was other bytes before, {}: give it a version of its own, or approve these with `{}`",
            candidate.version,
            known.digest,
            command()
        )));
    }
    let planned = plan(config, arranged, &manifest);
    let lost: Vec<Planned> = planned
        .iter()
        .filter(|planned| !planned.is_ready() && live.contains(&planned.name))
        .cloned()
        .collect();
    if !lost.is_empty() {
        return change(Change::Wait(obstacles(&manifest, &lost)));
    }
    if !planned.iter().any(Planned::is_ready) {
        return change(Change::Wait(obstacles(&manifest, &planned)));
    }
    match &known {
        Loaded::Ready(generation) => {
            *serve = Some((Arc::clone(generation), specs(config, &manifest, &planned)));
            change(Change::Activate);
        }
        // Nobody is told what this host alone lacks.
        Loaded::NotYet | Loaded::Missing(_) => load.push(digest.clone()),
        Loaded::Failed(reason) => change(Change::Reject(reason.clone())),
    }
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

/// Why none of these bindings can be live.
fn obstacles(manifest: &Manifest, planned: &[Planned]) -> String {
    if planned.is_empty() {
        let id = &manifest.id;
        return format!(
            "no binding: the name `{id}` is that of another plugin's; make one with `hardpoint plugin bind {id} NAME`"
        );
    }
    planned.iter().filter_map(|planned| planned.obstacle(&manifest.id)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod sequences;
