//! Bytes on their way in: over HTTP, where they wait for an operator's approval, digest by digest; or from
//! the plugins folder by the command line, before a server has seen them.

use bytes::Bytes;
use hardpoint_runtime::{LoadError, inspect};
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins::{self, Plugin, Source, State};
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Desk;
use crate::service::events::{self, Author};
use crate::worker::reload::new_plugin;

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

impl Desk {
    /// Keeps bytes as a version that waits for approval. Bytes that are known keep their state,
    /// unless they were removed: then they wait again.
    pub async fn upload(
        &self,
        author: &Author,
        bytes: Bytes,
        source: Source,
        file_name: Option<String>,
    ) -> Result<Plugin, UploadError> {
        let limit = self.config.plugins.max_component_bytes.0;
        if bytes.len() as u64 > limit {
            return Err(LoadError::TooLarge { size: bytes.len() as u64, limit }.into());
        }
        let copy = bytes.clone();
        let inspection = tokio::task::spawn_blocking(move || inspect(&copy))
            .await
            .unwrap_or_else(|error| Err(LoadError::NotAComponent(format!("reading it failed: {error}"))))?;
        let key = BlobKey::plugin(&inspection.digest)?;
        self.store.blobs().put(&key, bytes).await?;
        let new = new_plugin(inspection, source, file_name);
        let now = self.clock.now();
        let after = json!({ "version": new.version, "digest": new.digest, "file": new.file_name });
        let event = author.event(now, &*self.rng, "plugin.uploaded", events::plugin(&new.id), after);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let known = plugins::get(tx, &new.id, &new.digest).await?;
                let kept = match &known {
                    // A file in the folder speaks for them already.
                    Some(known) if known.state != State::Removed => return Ok(known.clone()),
                    _ => plugins::upsert(tx, &new, State::PendingApproval, None, now).await?,
                };
                if known.is_some() {
                    plugins::set_state(tx, &kept.id, &kept.digest, State::PendingApproval, None, now).await?;
                }
                tx.append(&event, &[]).await?;
                Ok(plugins::get(tx, &kept.id, &kept.digest).await?.unwrap_or(kept))
            })
        });
        Ok(write.await?)
    }
}
