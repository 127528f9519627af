//! Bytes on their way in: over HTTP, where they wait for an operator's approval, digest by digest; or from
//! the plugins folder by the command line, before a server has seen them.

use bytes::Bytes;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::{Inspection, LoadError, inspect};
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins::{self, NewPlugin, Plugin, Source, State};
use hardpoint_store::{Lane, StoreError, Tx, begin_change};
use serde_json::json;

use super::Desk;
use crate::config::Config;
use crate::service::events::{self, Author};
use crate::worker::reload::decide::{has_served, word};
use crate::worker::reload::{host, new_plugin};

/// Why an upload was not kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is no plugin.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at bytes before anything is done with them.
///
/// # Errors
/// If they are too many, or no plugin.
pub async fn inspect_upload(config: &Config, bytes: Bytes) -> Result<Inspection, LoadError> {
    let (size, limit) = (bytes.len() as u64, config.plugins.max_component_bytes.0);
    if size > limit {
        return Err(LoadError::TooLarge { size, limit });
    }
    tokio::task::spawn_blocking(move || inspect(&bytes))
        .await
        .unwrap_or_else(|error| Err(LoadError::NotAComponent(format!("reading it failed: {error}"))))
}

/// The command that lets a version serve; none for the one that does.
pub fn next(kept: &Plugin) -> Option<String> {
    let Plugin { id, digest, .. } = kept;
    match kept.state {
        State::Active => None,
        State::Paused => Some(format!("hardpoint plugin resume {id}")),
        _ if has_served(kept) => Some(format!("hardpoint plugin rollback {id} --digest {digest}")),
        _ => Some(format!("hardpoint plugin grant {id} --digest {digest}")),
    }
}

/// Keeps a version; false where it is there already.
///
/// # Errors
/// The store's.
pub(crate) async fn keep(
    tx: &mut Tx,
    new: &NewPlugin,
    host: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    begin_change(tx).await?;
    let versions = plugins::versions(tx, &new.id).await?;
    let since = word(&versions, now);
    let known = versions.iter().find(|row| row.digest == new.digest);
    // A file in the folder may speak for them already.
    if known.is_some_and(|known| known.state != State::Removed) {
        return Ok(false);
    }
    plugins::upsert(tx, new, State::PendingApproval, None, since).await?;
    if known.is_some() {
        plugins::set_state(tx, &new.id, &new.digest, State::PendingApproval, None, since).await?;
        // The approval was given for what came by a file, and went with that.
        if new.source == Source::Upload {
            plugins::disapprove(tx, &new.id, &new.digest, since).await?;
        }
    }
    if let Some(host) = host {
        plugins::set_host(tx, &new.id, &new.digest, Some(host)).await?;
    }
    Ok(true)
}

impl Desk {
    /// Keeps bytes as a version that waits for approval. Bytes that are known keep their state,
    /// unless they were removed: then they wait again, and what is uploaded for a new approval. What is in this host's folder is here by its file, and goes
    /// with it, whether or not a server has seen it yet.
    pub async fn upload(
        &self,
        author: &Author,
        bytes: Bytes,
        source: Source,
        file_name: Option<String>,
    ) -> Result<Plugin, UploadError> {
        let inspection = inspect_upload(&self.config, bytes.clone()).await?;
        let key = BlobKey::plugin(&inspection.digest)?;
        self.store.blobs().put(&key, bytes).await?;
        let new = new_plugin(inspection, source, file_name);
        let host = match source {
            Source::Folder => Some(self.host()?),
            Source::Upload | Source::Shipped => None,
        };
        let now = self.clock.now();
        let after = json!({ "version": new.version, "digest": new.digest, "file": new.file_name });
        let event = author.event(now, &*self.rng, "plugin.uploaded", events::plugin(&new.id), after);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if keep(tx, &new, host.as_deref(), now).await? {
                    tx.append(&event, &[]).await?;
                }
                let kept = plugins::get(tx, &new.id, &new.digest).await?;
                kept.ok_or_else(|| StoreError::Unavailable("the version is not there any more".to_owned()))
            })
        });
        Ok(write.await?)
    }

    fn host(&self) -> Result<String, StoreError> {
        let own = host::own(&self.config, self.store.engine(), &*self.clock, &*self.rng);
        own.map_err(|error| StoreError::Unavailable(format!("this host's id: {error}")))
    }
}
