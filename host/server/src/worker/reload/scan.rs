//! Looking through the folder: what is new in it, what changed, what is gone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::{Inspection, LoadError, inspect};
use hardpoint_store::plugin_files::{self, PluginFile};
use hardpoint_store::plugins::{self, Plugin, Source, State};
use hardpoint_store::{Lane, StoreError, Tx, begin_change};
use tokio::time::Instant;

use super::decide::Loaded;
use super::files::{FileState, SeenFile};
use super::folder::{Content, Entry, Folder, Signature};
use super::publish::is_here_by;
use super::{Keeper, Retry};
use crate::service::plugins::{is_revoked, is_set_aside};

/// How often a host says that it is still there.
const RENEWED: Duration = Duration::from_secs(86_400);

/// How long a host may be away until what it noted of its folder is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(56 * 86_400);

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
        let Some(entries) = self.entries().await else { return };
        let is_first = !self.is_recalled;
        if is_first && let Err(error) = self.recall().await {
            return self.store_trouble("looking through the plugins folder", &error);
        }
        self.look_through(&entries).await;
        self.miss(&entries);
        self.publish_winners(is_first).await;
        self.take_orphans_away().await;
        self.note_down().await;
        self.renew_notes().await;
        if is_first {
            // Another version of the host, another machine: what failed before may do now.
            self.owe(Retry::All);
        }
    }

    async fn entries(&mut self) -> Option<BTreeMap<String, Entry>> {
        let folder = self.folder.clone();
        let entries = match tokio::task::spawn_blocking(move || folder.entries()).await {
            Ok(entries) => entries.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match entries {
            Ok(entries) => {
                self.folder_error = None;
                Some(entries)
            }
            Err(reason) => {
                self.folder_trouble(reason);
                None
            }
        }
    }

    /// Takes up what an earlier process of this host noted of the folder: what differs from that is news, and what
    /// went since is gone. What it published and did not come to note is here by this host's files all the same, and
    /// so is what a file brought that holds another plugin by now.
    async fn recall(&mut self) -> Result<(), StoreError> {
        let mut conn = self.app.store.read().await?;
        let noted = plugin_files::list(&mut conn, &self.host).await?;
        let versions = plugins::list(&mut conn).await?;
        let by_digest: HashMap<&str, &Plugin> =
            versions.iter().map(|row| (row.digest.as_str(), row)).collect();
        let mut bad = Vec::new();
        for file in noted {
            let held = file.digest.as_deref().and_then(|digest| by_digest.get(digest).copied());
            if let Some(held) = held
                && file.state == State::Rejected
                && is_here_by(held, &self.host)
            {
                bad.push((held.id.clone(), (file.name.clone(), held.digest.clone())));
            }
            self.files.recall(file, held, Instant::now());
        }
        self.winners = self.files.winners();
        // One that turned bad speaks on until it is gone.
        self.winners.extend(bad);
        for row in versions.iter().filter(|row| is_here_by(row, &self.host)) {
            let file = row.file_name.clone().unwrap_or_default();
            self.winners.entry(row.id.clone()).or_insert((file, row.digest.clone()));
        }
        self.is_recalled = true;
        Ok(())
    }

    async fn look_through(&mut self, entries: &BTreeMap<String, Entry>) {
        for (name, entry) in entries {
            match entry {
                Entry::File(signature) if self.files.is_due(name, *signature) => {
                    self.look_at(name, *signature).await;
                }
                Entry::File(_) => {}
                Entry::Odd(reason) => self.found(name, None, Ok(FileState::Rejected(reason.clone()))),
            }
        }
    }

    /// Looks at a file that is new or changed.
    async fn look_at(&mut self, name: &str, signature: Signature) {
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
        self.found(name, Some(signature), found);
        if let Some(SeenFile { state: FileState::Rejected(reason), .. }) = self.files.get(name) {
            tracing::warn!(file = name, reason, "not a plugin");
            self.app.metrics.plugin_load("rejected");
        }
    }

    /// Keeps what a file turned out to be.
    fn found(&mut self, name: &str, signature: Option<Signature>, found: Result<FileState, String>) {
        let before = self.files.get(name).cloned();
        self.files.note(name, signature, found, Instant::now());
        let Some(now) = self.files.get(name) else { return };
        let Some(before) = before else {
            self.unnoted.insert(name.to_owned());
            self.rewritten.insert(name.to_owned());
            return;
        };
        // A write for each of a thousand files that are as they were would be a slow start.
        if !before.is_noted_like(now) {
            self.unnoted.insert(name.to_owned());
        }
        if before.is_written_again(now) {
            self.rewritten.insert(name.to_owned());
        }
    }

    /// Forgets files that are not there any more.
    fn miss(&mut self, entries: &BTreeMap<String, Entry>) {
        for name in self.files.missing(|name| entries.contains_key(name), Instant::now()) {
            tracing::info!(file = name, "gone from the plugins folder");
            self.rewritten.remove(&name);
            self.unnoted.insert(name);
        }
    }

    /// Notes for later processes what became of files, once it is carried out: what is lost before that is news again.
    async fn note_down(&mut self) {
        let speaking = self.files.winners();
        for name in std::mem::take(&mut self.unnoted) {
            let noted = self.noted(&name);
            let is_due = match self.files.get(&name).map(|file| &file.state) {
                Some(FileState::Version { id, .. }) => speaking
                    .get(id)
                    .is_some_and(|speaks| speaks.0 == name && self.winners.get(id) != Some(speaks)),
                Some(FileState::Copying(_)) => true,
                Some(FileState::Rejected(_)) => false,
                None => self.winners.values().any(|(speaks, _)| *speaks == name),
            };
            if is_due {
                self.unnoted.insert(name);
                continue;
            }
            let (host, file) = (self.host.clone(), name.clone());
            let write = self.app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move {
                    match noted {
                        Some(noted) => plugin_files::put(tx, &noted).await,
                        None => plugin_files::remove(tx, &host, &file).await.map(drop),
                    }
                })
            });
            if let Err(error) = write.await {
                tracing::warn!(%error, file = name, "what was found out about a file is not kept");
                self.unnoted.insert(name);
            }
        }
    }

    /// Says now and then that this host is still there, and forgets the notes of those that are not: each container
    /// with a fresh data folder is another host.
    async fn renew_notes(&mut self) {
        let now = self.app.clock.now();
        if self.renewed.is_some_and(|renewed| now < renewed.plus(RENEWED)) {
            return;
        }
        let host = self.host.clone();
        let write = self.app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { plugin_files::renew(tx, &host, now, now.minus(FORGOTTEN)).await })
        });
        match write.await {
            Ok(()) => self.renewed = Some(now),
            Err(error) => tracing::warn!(%error, "what is noted of the plugins folder is not renewed"),
        }
    }

    /// What is to be noted of a file; nothing of one that is gone.
    fn noted(&self, name: &str) -> Option<PluginFile> {
        let file = self.files.get(name)?;
        let spoke = || self.winners.values().find(|(speaks, _)| speaks == name);
        let (digest, reason) = match &file.state {
            FileState::Version { digest, .. } => (Some(digest), None),
            // What it held before is taken away when it goes.
            FileState::Rejected(reason) | FileState::Copying(reason) => {
                (spoke().map(|(_, digest)| digest), Some(reason))
            }
        };
        Some(PluginFile {
            host: self.host.clone(),
            name: name.to_owned(),
            size: file.signature.map_or(0, |signature| signature.size),
            mtime: Timestamp::from_micros(file.signature.map_or(0, |signature| signature.mtime)),
            digest: digest.cloned(),
            state: if reason.is_none() { State::Active } else { State::Rejected },
            reason: reason.cloned(),
            seen_at: self.app.clock.now(),
        })
    }

    /// Forgets failures, so that they are tried again. What an operator revoked stays revoked.
    pub(super) fn forget_failures(&mut self, retry: Retry) {
        if retry == Retry::None {
            return;
        }
        self.loaded.retain(|_, loaded| !matches!(loaded, Loaded::Failed(_) | Loaded::Missing(_)));
        if retry == Retry::All {
            self.files.forget_rejected();
        }
        self.owe(retry);
    }

    fn owe(&mut self, retry: Retry) {
        if !self.retries.contains(&retry) {
            self.retries.push(retry);
        }
    }

    /// Makes versions candidates again that were asked for. What the store refuses stays due.
    pub(super) async fn retry_versions(&mut self) {
        while let Some(retry) = self.retries.first() {
            let only = match retry {
                Retry::Plugin(id) => Some(id.clone()),
                Retry::All | Retry::None => None,
            };
            let spoken_for: HashSet<String> =
                self.winners.values().map(|(_, digest)| digest.clone()).collect();
            let write = self.app.store.write(Lane::Request, move |tx| {
                Box::pin(async move { try_again(tx, only.as_deref(), &spoken_for).await })
            });
            if let Err(error) = write.await {
                return self.store_trouble("trying failed plugins again", &error);
            }
            self.retries.remove(0);
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

/// Makes those versions candidates again that could not be loaded, of one plugin or of all: uploaded ones, and those
/// that a file here speaks for. What came first stays first, what an operator revoked stays revoked, and what
/// another version came after stays behind it.
pub(super) async fn try_again(
    tx: &mut Tx,
    only: Option<&str>,
    spoken_for: &HashSet<String>,
) -> Result<(), StoreError> {
    begin_change(tx).await?;
    let rows = plugins::list(tx).await?;
    for row in &rows {
        let is_meant = only.is_none_or(|id| row.id == id);
        let failed = row.state == State::Rejected && !is_revoked(row) && !is_set_aside(row);
        let is_wanted = spoken_for.contains(&row.digest) || row.source == Source::Upload;
        if is_meant && failed && is_wanted {
            let (since, waits) = (row.updated_at, State::PendingApproval);
            plugins::set_state(tx, &row.id, &row.digest, waits, None, since).await?;
        }
    }
    Ok(())
}
