//! Looking through the folder, and publishing what is new in it into the store.

use std::collections::HashSet;

use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_runtime::{Inspection, LoadError, inspect};
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugin_files::{self, PluginFile};
use hardpoint_store::plugins::{self, NewPlugin, Plugin, Source, State};
use hardpoint_store::{Engine, Lane, StoreError, Tx, begin_change};
use serde_json::json;
use tokio::time::Instant;

use super::Keeper;
use super::decide::Loaded;
use super::files::FileState;
use super::folder::{Content, Entry, Folder, Signature};
use crate::service::events::{self, Author};
use crate::service::plugins::is_revoked;

/// What a file turned out to be.
enum Look {
    Component(Box<Inspection>, bytes::Bytes),
    Bad(String),
    Changing,
}

fn look(folder: &Folder, name: &str, signature: Signature, limit: u64) -> Look {
    if signature.size > limit {
        return Look::Bad(LoadError::TooLarge { size: signature.size, limit }.to_string());
    }
    match folder.read(name, signature) {
        Content::Whole(bytes) => match inspect(&bytes) {
            Ok(inspection) => Look::Component(Box::new(inspection), bytes),
            Err(error) => Look::Bad(error.to_string()),
        },
        Content::Changing => Look::Changing,
        Content::Unreadable(reason) => Look::Bad(format!("it cannot be read: {reason}")),
    }
}

/// A component of the folder, if it is the one with this digest.
pub(super) async fn held(
    folder: Folder,
    name: String,
    signature: Signature,
    limit: u64,
    digest: &str,
) -> Option<(Box<Inspection>, bytes::Bytes)> {
    let looked = tokio::task::spawn_blocking(move || look(&folder, &name, signature, limit)).await;
    match looked {
        Ok(Look::Component(found, bytes)) if found.digest == digest => Some((found, bytes)),
        _ => None,
    }
}

impl Keeper {
    /// Looks through the folder. What cannot be done now is tried again with the next look.
    pub(super) async fn scan(&mut self) {
        let folder = self.folder.clone();
        let entries = match tokio::task::spawn_blocking(move || folder.entries()).await {
            Ok(Ok(entries)) => entries,
            Ok(Err(error)) => return self.folder_trouble(error.to_string()),
            Err(error) => return self.folder_trouble(error.to_string()),
        };
        self.folder_error = None;
        let is_first = self.remembered.is_none();
        if is_first {
            match self.remember().await {
                Ok(remembered) => {
                    self.remembered =
                        Some(remembered.into_iter().map(|file| (file.name.clone(), file)).collect())
                }
                Err(error) => return self.store_trouble("looking through the plugins folder", &error),
            }
        }
        let mut changed = HashSet::new();
        for (name, entry) in &entries {
            self.ever_seen.insert(name.clone());
            match entry {
                Entry::File(signature) => {
                    if self.files.is_due(name, *signature) && self.look_at(name, *signature).await {
                        changed.insert(name.clone());
                    }
                }
                Entry::Odd(reason) => {
                    let known = self.files.get(name).is_some_and(|file| file.signature.is_none());
                    self.files.note(name, None, Ok(FileState::Rejected(reason.clone())), Instant::now());
                    if !known {
                        self.remember_file(name, None, None, Some(reason)).await;
                    }
                }
            }
        }
        for name in self.files.missing(|name| entries.contains_key(name), Instant::now()) {
            tracing::info!(file = name, "gone from the plugins folder");
            let write = self.app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { plugin_files::remove(tx, &name).await.map(drop) })
            });
            if let Err(error) = write.await {
                self.store_trouble("forgetting a file", &error);
            }
        }
        self.publish_winners(&changed, is_first).await;
        self.remembered = Some(Default::default());
        if is_first {
            // Another version of the host, another machine: what failed before may do now.
            self.retry_versions(None).await;
        }
    }

    /// Files as an earlier process saw them.
    async fn remember(&self) -> Result<Vec<PluginFile>, StoreError> {
        plugin_files::list(&mut self.app.store.read().await?).await
    }

    /// Looks at a file that is new or changed; true if it is a component that was not here before.
    async fn look_at(&mut self, name: &str, signature: Signature) -> bool {
        let known = self.files.get(name).cloned();
        let is_same = known.as_ref().is_some_and(|file| {
            file.signature == Some(signature) && !matches!(file.state, FileState::Copying(_))
        });
        let (folder, file, limit) =
            (self.folder.clone(), name.to_owned(), self.app.config.plugins.max_component_bytes.0);
        let looked = tokio::task::spawn_blocking(move || look(&folder, &file, signature, limit)).await;
        let found = match looked {
            Ok(Look::Component(inspection, _)) => Ok(FileState::Version {
                id: inspection.manifest.id.clone(),
                version: inspection.manifest.version.clone(),
                digest: inspection.digest.clone(),
            }),
            Ok(Look::Bad(reason)) => Err(reason),
            Ok(Look::Changing) => Ok(FileState::Copying("it changed while it was read".to_owned())),
            Err(error) => Err(format!("reading it failed: {error}")),
        };
        self.files.note(name, Some(signature), found, Instant::now());
        let state = self.files.get(name).map(|file| file.state.clone());
        match &state {
            Some(FileState::Rejected(reason)) => {
                tracing::warn!(file = name, reason, "not a plugin");
                self.app.metrics.plugin_load("rejected");
                self.remember_file(name, Some(signature), None, Some(reason)).await;
                false
            }
            Some(FileState::Version { digest, .. }) => {
                let remembered = self.remembered.as_ref().and_then(|files| files.get(name));
                let as_before = remembered.is_some_and(|file| {
                    file.size == signature.size
                        && file.mtime.micros() == signature.mtime
                        && file.digest.as_ref() == Some(digest)
                });
                // A write for each of a thousand files that are as they were would be a slow start.
                if !as_before {
                    self.remember_file(name, Some(signature), Some(digest), None).await;
                }
                !is_same && !as_before
            }
            _ => false,
        }
    }

    /// Notes for later processes what a file was. Nothing is lost if it fails: it is looked at once more.
    async fn remember_file(
        &mut self,
        name: &str,
        signature: Option<Signature>,
        digest: Option<&str>,
        reason: Option<&str>,
    ) {
        let file = PluginFile {
            name: name.to_owned(),
            size: signature.map_or(0, |signature| signature.size),
            mtime: Timestamp::from_micros(signature.map_or(0, |signature| signature.mtime)),
            digest: digest.map(str::to_owned),
            state: if digest.is_some() { State::Active } else { State::Rejected },
            reason: reason.map(str::to_owned),
            seen_at: self.app.clock.now(),
        };
        let write = self
            .app
            .store
            .write(Lane::Bulk, move |tx| Box::pin(async move { plugin_files::put(tx, &file).await }));
        if let Err(error) = write.await {
            tracing::warn!(%error, file = name, "what was found out about a file is not kept");
        }
    }

    /// Publishes each file that came to speak for its plugin, or changed while it did.
    async fn publish_winners(&mut self, changed: &HashSet<String>, is_first: bool) {
        let winners = self.files.winners();
        let shared = self.app.store.engine() == Engine::Postgres;
        for (id, (name, digest)) in &winners {
            let before = self.winners.get(id);
            let took_over = before.is_some_and(|(_, known)| known != digest);
            let is_again = before == Some(&(name.clone(), digest.clone()));
            if is_again && !changed.contains(name) {
                continue;
            }
            // Another host's folder may lag behind: what this process finds on its first look is only
            // published where nobody knows it.
            let is_news = (took_over || changed.contains(name)) && !(is_first && shared);
            // What took over from a file that was published here is a return to it. A file that comes to where
            // another host published, or is left when a copy goes, is none.
            let returns = before.map_or(!shared, |(file, _)| !self.copies.contains(file));
            match self.publish_file(id, name, digest, is_news, returns).await {
                Ok(true) => {
                    self.copies.remove(name);
                }
                // The same bytes once more: it stays what it was.
                Ok(false) if is_again => {}
                Ok(false) => {
                    self.copies.insert(name.clone());
                }
                Err(reason) => {
                    tracing::warn!(file = name, plugin = id, reason, "not published");
                    self.dirty = true;
                    return;
                }
            }
        }
        self.winners = winners;
    }

    /// Puts a version into blob store and store. A version that is known keeps its state, unless the file is
    /// news: then it may be a candidate again. False where the file is but a copy of what is known otherwise.
    async fn publish_file(
        &self,
        id: &str,
        name: &str,
        digest: &str,
        is_news: bool,
        returns: bool,
    ) -> Result<bool, String> {
        let known = {
            let mut conn = self.app.store.read().await.map_err(|error| error.to_string())?;
            plugins::get(&mut conn, id, digest).await.map_err(|error| error.to_string())?
        };
        if let Some(known) = known
            && !is_news
        {
            return Ok(known.source == Source::Folder && known.file_name.as_deref() == Some(name));
        }
        let Some(Entry::File(signature)) = self.entry(name).await else {
            return Err("it is gone again".to_owned());
        };
        let limit = self.app.config.plugins.max_component_bytes.0;
        let held = held(self.folder.clone(), name.to_owned(), signature, limit, digest).await;
        let Some((inspection, bytes)) = held else { return Err("it changed meanwhile".to_owned()) };
        let key = BlobKey::plugin(digest).map_err(|error| error.to_string())?;
        self.app.store.blobs().put(&key, bytes).await.map_err(|error| error.to_string())?;
        let new = new_plugin(*inspection, Source::Folder, Some(name.to_owned()));
        let (now, rng) = (self.app.clock.now(), self.app.rng.clone());
        let publishing = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { take_in(tx, &new, returns, now, &*rng).await })
        });
        publishing.await.map_err(|error| error.to_string())
    }

    async fn entry(&self, name: &str) -> Option<Entry> {
        let (folder, name) = (self.folder.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || folder.entry(&name).ok()).await.ok()?
    }

    /// Forgets failures, so that they are tried again. What an operator revoked stays revoked.
    pub(super) async fn retry(&mut self, retry: &super::Retry) {
        let only = match retry {
            super::Retry::None => return,
            super::Retry::Plugin(id) => Some(id.clone()),
            super::Retry::All => None,
        };
        self.loaded.retain(|_, loaded| !matches!(loaded, Loaded::Failed(_) | Loaded::Missing(_)));
        if only.is_none() {
            self.files.forget_rejected();
        }
        self.retry_versions(only).await;
    }

    async fn retry_versions(&mut self, only: Option<String>) {
        let spoken_for: HashSet<String> = self.winners.values().map(|(_, digest)| digest.clone()).collect();
        let now = self.app.clock.now();
        let write = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { try_again(tx, only.as_deref(), &spoken_for, now).await })
        });
        if let Err(error) = write.await {
            self.store_trouble("trying failed plugins again", &error);
        }
    }

    fn folder_trouble(&mut self, reason: String) {
        if self.folder_error.as_ref() != Some(&reason) {
            tracing::error!(folder = %self.folder.path().display(), reason, "the plugins folder cannot be read; what serves goes on");
        }
        self.folder_error = Some(reason);
    }

    /// Something in the store failed: to be tried again with the next tick.
    pub(super) fn store_trouble(&mut self, what: &str, error: &StoreError) {
        tracing::warn!(%error, "{what} failed");
        self.dirty = true;
    }
}

/// Takes a file's version in: one that is new, or was taken away, or could not be loaded, is a candidate. False where
/// the store has it already, from wherever it came: then the file is a copy, and its bytes are all that it brings. One
/// that was superseded may come back by its file, if this `returns` to it.
pub(super) async fn take_in(
    tx: &mut Tx,
    new: &NewPlugin,
    returns: bool,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<bool, StoreError> {
    begin_change(tx).await?;
    let known = plugins::get(tx, &new.id, &new.digest).await?;
    // What an operator took out of service is not brought back by copying the same bytes again.
    if known.as_ref().is_some_and(|known| is_kept(known, returns) || is_revoked(known)) {
        return Ok(false);
    }
    plugins::upsert(tx, new, State::PendingApproval, None, now).await?;
    if known.is_some() {
        plugins::set_state(tx, &new.id, &new.digest, State::PendingApproval, None, now).await?;
    }
    // One candidate a plugin: what waited before waits no more.
    for other in plugins::versions(tx, &new.id).await? {
        if other.state == State::PendingApproval
            && other.digest != new.digest
            && other.source == Source::Folder
        {
            let reason = format!("version {} came before it was allowed", new.version);
            plugins::set_state(tx, &other.id, &other.digest, State::Superseded, Some(&reason), now).await?;
        }
    }
    let after = json!({ "version": new.version, "digest": new.digest, "file": new.file_name });
    let event = Author::system().event(now, rng, "plugin.published", events::plugin(&new.id), after);
    tx.append(&event, &[]).await?;
    Ok(true)
}

/// Whether a version stays what it is, whatever file has its bytes.
fn is_kept(version: &Plugin, returns: bool) -> bool {
    match version.state {
        State::Active | State::Paused | State::PendingApproval => true,
        State::Superseded => version.source == Source::Upload || !returns,
        State::Rejected | State::Removed => false,
    }
}

/// Makes those versions candidates again that could not be loaded, of one plugin or of all: uploaded ones, and those
/// that a file here speaks for. What an operator revoked stays revoked.
pub(super) async fn try_again(
    tx: &mut Tx,
    only: Option<&str>,
    spoken_for: &HashSet<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    begin_change(tx).await?;
    for row in plugins::list(tx).await? {
        let is_meant = only.is_none_or(|id| row.id == id);
        let failed = row.state == State::Rejected && !is_revoked(&row);
        let is_wanted = spoken_for.contains(&row.digest) || row.source == Source::Upload;
        if is_meant && failed && is_wanted {
            plugins::set_state(tx, &row.id, &row.digest, State::PendingApproval, None, now).await?;
        }
    }
    Ok(())
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
