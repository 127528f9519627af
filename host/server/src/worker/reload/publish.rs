//! What becomes of the files that speak for their plugins: what each brings, and what goes when the last one goes.

use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_runtime::Inspection;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins::{self, NewPlugin, Plugin, Source, State, UNCLAIMED};
use hardpoint_store::{Engine, Lane, StoreError, Tx, begin_change};
use serde_json::json;

use super::Keeper;
use super::decide::{needs_a_word, word};
use super::files::FileState;
use super::folder::Entry;
use super::scan::held;
use crate::service::events::{self, Author};
use crate::service::plugins::is_revoked;

/// Why a version is no candidate that [`Arrival::Passed`] brought.
const PASSED: &str =
    "its file came to speak for the plugin only when another one went: it serves once somebody approves it";

/// What a file brings that comes to speak for its plugin, or was written once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A version that nobody has seen yet: a candidate.
    New,
    /// One that nobody has seen yet either, of a file that spoke for nothing until another one went, while what serves
    /// came otherwise: it is known from now on, and no candidate.
    Passed,
    /// One that was taken away or could not be loaded: a candidate again.
    Again,
    /// One that was superseded, and that this host's folder goes back to: a candidate again.
    Return,
    /// One that is here by this host's folder, and whose file has another name now; or by a folder that nobody has
    /// said is theirs, which is this host's from now on.
    Moved,
    /// One that is here otherwise, or does not come back by a file: its bytes are all that it brings.
    Copy,
}

/// How a file stands in its host's folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The host whose folder it is.
    pub(super) host: String,
    /// The digest that spoke for the plugin there before, if any did.
    pub(super) before: Option<String>,
    /// Whether the file was written: it is new, or its bytes are others, or the same once more. Else it only came to be
    /// the one that speaks, or has another name.
    pub(super) is_written: bool,
    /// Whether other hosts share the store.
    pub(super) is_shared: bool,
    /// Whether others may have gone on while this host was not there: then it takes nobody back.
    pub(super) may_lag: bool,
}

impl Place {
    /// What the file brings, with these versions of its plugin in the store.
    pub(super) fn arrival(&self, versions: &[Plugin], name: &str, digest: &str) -> Arrival {
        let Some(known) = find(versions, digest) else {
            let is_news = self.is_written || self.before.is_none() || self.steps_in(versions);
            return if is_news { Arrival::New } else { Arrival::Passed };
        };
        // What an operator took out of service is not brought back by copying the same bytes again.
        if is_revoked(known) {
            return Arrival::Copy;
        }
        match known.state {
            State::Rejected | State::Removed if self.comes_again(versions) => Arrival::Again,
            State::Rejected | State::Removed => Arrival::Copy,
            State::Superseded if known.source != Source::Upload && self.goes_back(versions, digest) => {
                Arrival::Return
            }
            _ if self.is_unclaimed_or_moved(known, name) => Arrival::Moved,
            _ => Arrival::Copy,
        }
    }

    /// Whether what was taken away or could not be loaded is to be tried once more.
    fn comes_again(&self, versions: &[Plugin]) -> bool {
        !self.may_lag && (self.is_written || self.steps_in(versions))
    }

    /// Whether other bytes spoke here, and by this host's folder: not as a copy of what came otherwise, nor merely
    /// written once more.
    fn goes_back(&self, versions: &[Plugin], digest: &str) -> bool {
        if self.may_lag || self.before.as_deref() == Some(digest) {
            return false;
        }
        if !self.is_written {
            return self.steps_in(versions);
        }
        let Some(before) = &self.before else { return !self.is_shared };
        let came_otherwise =
            |row: &Plugin| row.source == Source::Upload || (row.host.is_some() && !self.is_ours(row));
        !find(versions, before).is_some_and(came_otherwise)
    }

    /// Whether a file may take the place of the one that spoke before without having been written: what serves came by
    /// this host's folder or, where nothing does, what the other file brought was to. Where an operator, an upload or
    /// another host had the last word, the file that went had none to leave.
    fn steps_in(&self, versions: &[Plugin]) -> bool {
        let waits = |row: &Plugin| row.state == State::PendingApproval && !self.is_ours(row);
        if versions.iter().any(|row| waits(row) && !needs_a_word(row)) {
            return false;
        }
        if let Some(serving) = versions.iter().find(|row| matches!(row.state, State::Active | State::Paused))
        {
            return self.is_ours(serving);
        }
        let before = self.before.as_ref().and_then(|before| find(versions, before));
        before.is_some_and(|row| {
            let was_to = matches!(row.state, State::PendingApproval | State::Rejected) && !is_revoked(row);
            was_to && self.is_ours(row)
        })
    }

    fn is_unclaimed_or_moved(&self, known: &Plugin, name: &str) -> bool {
        let is_unclaimed = known.host.as_deref() == Some(UNCLAIMED);
        is_unclaimed || (self.is_ours(known) && known.file_name.as_deref() != Some(name))
    }

    /// Whether a version is here by this host's file, or by one of which nobody has said that it is theirs.
    fn is_ours(&self, row: &Plugin) -> bool {
        row.host.as_deref().is_some_and(|host| host == self.host || host == UNCLAIMED)
    }
}

impl Keeper {
    /// Publishes each file that came to speak for its plugin, or was written once more. What cannot be published
    /// keeps nothing else from it, and is due until it can.
    pub(super) async fn publish_winners(&mut self, is_first: bool) {
        let mut unpublished = std::mem::take(&mut self.unpublished);
        for (id, speaks) in self.files.winners() {
            let before = self.winners.get(&id);
            let (name, digest) = &speaks;
            let is_rewritten = self.rewritten.contains(name);
            if before == Some(&speaks) && !is_rewritten {
                continue;
            }
            // One that turned bad, or is being written, is still there, and speaks on.
            if before.is_some_and(|(spoke, _)| spoke != name && self.is_bad(spoke)) && !is_rewritten {
                continue;
            }
            let is_shared = self.app.store.engine() == Engine::Postgres;
            let is_renamed = before.is_some_and(|(spoke, held)| spoke != name && held == digest);
            let place = Place {
                host: self.host.clone(),
                is_written: is_rewritten && !is_renamed,
                before: before.map(|(_, digest)| digest.clone()),
                is_shared,
                may_lag: is_first && is_shared,
            };
            match self.publish(&id, name, digest, place).await {
                Ok(()) => {
                    self.rewritten.remove(name);
                    self.winners.insert(id, speaks);
                }
                Err(reason) => {
                    if unpublished.remove(name).as_ref() != Some(&reason) {
                        tracing::warn!(file = name, plugin = id, reason, "not published");
                    }
                    self.unpublished.insert(name.clone(), reason);
                }
            }
        }
        self.forget_what_was_written();
    }

    /// What is written while another file speaks brings nothing when that one goes, however much later; unless that
    /// one is missing already, and this one was written in its place.
    fn forget_what_was_written(&mut self) {
        let (files, unpublished) = (&self.files, &self.unpublished);
        let speaking = files.winners();
        self.rewritten
            .retain(|name| unpublished.contains_key(name) || files.waits_for_missing(name, &speaking));
    }

    /// Whether a file is there and holds no version: it turned bad, or is on its way.
    fn is_bad(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|file| !matches!(file.state, FileState::Version { .. }))
    }

    /// Puts a file's version into blob store and store, as far as it brings anything.
    async fn publish(&self, id: &str, name: &str, digest: &str, place: Place) -> Result<(), String> {
        let versions = self.versions(id).await.map_err(|error| error.to_string())?;
        let is_copy = place.arrival(&versions, name, digest) == Arrival::Copy;
        let key = BlobKey::plugin(digest).map_err(|error| error.to_string())?;
        let blobs = self.app.store.blobs();
        if is_copy && (place.may_lag || blobs.exists(&key).await.unwrap_or(false)) {
            return Ok(());
        }
        let Some(Entry::File(signature)) = self.entry(name).await else {
            return Err("it is gone again".to_owned());
        };
        let limit = self.app.config.plugins.max_component_bytes.0;
        let held = held(self.folder.clone(), name.to_owned(), signature, limit, digest).await;
        let Some((inspection, bytes)) = held else { return Err("it changed meanwhile".to_owned()) };
        blobs.put(&key, bytes).await.map_err(|error| error.to_string())?;
        if is_copy {
            return Ok(());
        }
        let new = new_plugin(*inspection, Source::Folder, Some(name.to_owned()));
        let (now, rng) = (self.app.clock.now(), self.app.rng.clone());
        let publishing = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { take_in(tx, &new, &place, now, &*rng).await })
        });
        publishing.await.map(drop).map_err(|error| error.to_string())
    }

    async fn versions(&self, id: &str) -> Result<Vec<Plugin>, StoreError> {
        plugins::versions(&mut self.app.store.read().await?, id).await
    }

    async fn entry(&self, name: &str) -> Option<Entry> {
        let (folder, name) = (self.folder.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || folder.entry(&name).ok()).await.ok()?
    }

    /// Takes away what was here by a file of this folder, where the last one that spoke for its plugin is gone or
    /// holds another plugin. A file that turned bad is still there.
    pub(super) async fn take_orphans_away(&mut self) {
        let speaking = self.files.winners();
        let is_gone = |(id, (name, _)): &(&String, &(String, String))| {
            !speaking.contains_key(*id) && !self.is_bad(name)
        };
        let orphans: Vec<(String, String)> =
            self.winners.iter().filter(is_gone).map(|(id, (name, _))| (id.clone(), name.clone())).collect();
        for (id, file) in orphans {
            let (now, rng) = (self.app.clock.now(), self.app.rng.clone());
            let (plugin, host) = (id.clone(), self.host.clone());
            let write = self.app.store.write(Lane::Request, move |tx| {
                Box::pin(async move { take_away(tx, &plugin, &file, &host, now, &*rng).await })
            });
            match write.await {
                Ok(()) => drop(self.winners.remove(&id)),
                Err(error) => self.store_trouble("taking a plugin away", &error),
            }
        }
    }
}

/// Takes a file's version in, and says what it brought.
///
/// # Errors
/// The store's.
pub(super) async fn take_in(
    tx: &mut Tx,
    new: &NewPlugin,
    place: &Place,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Arrival, StoreError> {
    begin_change(tx).await?;
    let versions = plugins::versions(tx, &new.id).await?;
    let since = word(&versions, now);
    let arrival = place.arrival(&versions, new.file_name.as_deref().unwrap_or_default(), &new.digest);
    if arrival == Arrival::Copy {
        return Ok(arrival);
    }
    let (state, reason) = match arrival {
        Arrival::Passed => (State::Superseded, Some(PASSED)),
        _ => (State::PendingApproval, None),
    };
    // A file that has another name says nothing new.
    let known = find(&versions, &new.digest).filter(|_| arrival == Arrival::Moved);
    plugins::upsert(tx, new, state, reason, known.map_or(since, |known| known.updated_at)).await?;
    plugins::set_host(tx, &new.id, &new.digest, Some(&place.host)).await?;
    if arrival == Arrival::Moved {
        return Ok(arrival);
    }
    if matches!(arrival, Arrival::Again | Arrival::Return) {
        plugins::set_state(tx, &new.id, &new.digest, State::PendingApproval, None, since).await?;
    }
    if arrival != Arrival::Passed {
        supersede_waiting(tx, &versions, new, since).await?;
    }
    let after = json!({ "version": new.version, "digest": new.digest, "file": new.file_name });
    let event = Author::system().event(now, rng, "plugin.published", events::plugin(&new.id), after);
    tx.append(&event, &[]).await?;
    Ok(arrival)
}

/// One candidate a plugin: of these versions, those that files brought and that wait, wait no more. Uploads wait for
/// somebody who names them.
async fn supersede_waiting(
    tx: &mut Tx,
    versions: &[Plugin],
    new: &NewPlugin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = format!("version {} came before it was allowed", new.version);
    for other in versions.iter().filter(|row| row.source == Source::Folder && row.digest != new.digest) {
        if other.state == State::PendingApproval {
            plugins::set_state(tx, &other.id, &other.digest, State::Superseded, Some(&reason), now).await?;
        }
    }
    Ok(())
}

/// Takes away the versions of a plugin that are here by a host's files, the last of which is gone. What came
/// otherwise, from another host, or was brought back by an operator stays.
///
/// # Errors
/// The store's.
pub(super) async fn take_away(
    tx: &mut Tx,
    id: &str,
    file: &str,
    host: &str,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<(), StoreError> {
    begin_change(tx).await?;
    let reason = format!("the file {file} was removed from the plugins folder");
    for row in plugins::versions(tx, id).await? {
        // What was revoked is still so when its file comes again.
        if !is_here_by(&row, host) || is_revoked(&row) {
            continue;
        }
        plugins::set_state(tx, id, &row.digest, State::Removed, Some(&reason), now).await?;
        tracing::info!(plugin = id, version = row.version, reason, "removed");
        let after = json!({ "version": row.version, "digest": row.digest, "reason": reason });
        let event = Author::system().event(now, rng, "plugin.removed", events::plugin(id), after);
        tx.append(&event, &[]).await?;
    }
    Ok(())
}

/// Whether a version goes with this host's file.
pub(super) fn is_here_by(row: &Plugin, host: &str) -> bool {
    let is_there =
        matches!(row.state, State::Active | State::Paused | State::PendingApproval | State::Rejected);
    is_there && row.host.as_deref() == Some(host)
}

/// A version, from what its bytes say.
pub fn new_plugin(inspection: Inspection, source: Source, file_name: Option<String>) -> NewPlugin {
    NewPlugin {
        id: inspection.manifest.id,
        digest: inspection.digest,
        version: inspection.manifest.version,
        kind: inspection.manifest.kind,
        size: inspection.size,
        manifest: inspection.manifest_text,
        source,
        file_name,
    }
}

fn find<'a>(versions: &'a [Plugin], digest: &str) -> Option<&'a Plugin> {
    versions.iter().find(|row| row.digest == digest)
}
