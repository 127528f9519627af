//! A version's bytes on this host: in its blob store or, where another host published it, in a file of its plugins
//! folder, which then fills the blob store.

use bytes::Bytes;
use hardpoint_store::Blobs;
use hardpoint_store::blobs::BlobKey;

use super::Keeper;
use super::decide::Loaded;
use super::folder::{Folder, Signature};
use super::scan::{Look, look};
use crate::config::Config;

/// Why a version is not loaded.
pub(super) enum Unloaded {
    /// Its bytes are not here.
    Missing(String),
    /// It cannot be.
    Failed(String),
}

impl Unloaded {
    pub(super) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Where the bytes of one version may be.
pub(super) struct Sources {
    blobs: Blobs,
    folder: Folder,
    /// A file of the folder that has them.
    file: Option<(String, Signature)>,
    /// The largest component.
    limit: u64,
    /// What is said where they are nowhere.
    missing: String,
}

/// What is said of a version whose bytes a host does not have.
pub fn missing(config: &Config) -> String {
    format!(
        "its bytes are not on this host: copy its file to {}, or let the hosts share one folder for bytes \
         (`storage.blobs`)",
        config.plugins_folder().display()
    )
}

impl Keeper {
    pub(super) fn sources(&self, digest: &str) -> Sources {
        let file = self.files.holding(digest);
        Sources {
            blobs: self.app.store.blobs().clone(),
            folder: self.folder.clone(),
            file: file.map(|(name, signature)| (name.to_owned(), signature)),
            limit: self.app.config.plugins.max_component_bytes.0,
            missing: missing(&self.app.config),
        }
    }

    /// Lets what waits for bytes that are here by now be loaded; whether there is any.
    pub(super) async fn note_arrivals(&mut self) -> bool {
        let waits = |(digest, loaded): (&String, &Loaded)| {
            matches!(loaded, Loaded::Missing(_)).then(|| digest.clone())
        };
        let waiting: Vec<String> = self.loaded.iter().filter_map(waits).collect();
        let mut any = false;
        for digest in waiting {
            if self.files.holding(&digest).is_some() || self.is_kept(&digest).await {
                self.loaded.remove(&digest);
                any = true;
            }
        }
        any
    }

    async fn is_kept(&self, digest: &str) -> bool {
        let Ok(key) = BlobKey::plugin(digest) else { return false };
        self.app.store.blobs().exists(&key).await.unwrap_or(false)
    }
}

impl Sources {
    /// The bytes with this digest.
    ///
    /// # Errors
    /// They are nowhere, or cannot be read.
    pub(super) async fn bytes(self, digest: &str) -> Result<Bytes, Unloaded> {
        let key = BlobKey::plugin(digest).map_err(Unloaded::failed)?;
        let missing = match self.blobs.get(&key).await {
            Ok(Some(bytes)) => return Ok(bytes),
            Ok(None) => self.missing,
            Err(error) => format!("its bytes cannot be read: {error}"),
        };
        let Some((name, signature)) = self.file else { return Err(Unloaded::Missing(missing)) };
        let looked =
            tokio::task::spawn_blocking(move || look(&self.folder, &name, signature, self.limit)).await;
        match looked {
            Ok(Look::Component(found, bytes)) if found.digest == digest => {
                // It serves all the same; the file is there for the next time too.
                if let Err(error) = self.blobs.put(&key, bytes.clone()).await {
                    tracing::warn!(%error, digest, "the bytes of a plugin's file are not kept");
                }
                Ok(bytes)
            }
            _ => Err(Unloaded::Missing(missing)),
        }
    }
}
