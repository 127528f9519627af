//! Which version a host serves as long as it lacks the bytes of the one that is active. `decide` takes the first of those
//! before it that is loaded; who only looks at what is kept asks whose bytes are there.

use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins;
use hardpoint_store::{Store, StoreError};

use super::Desk;
use super::desk::may_serve;
use crate::worker::reload::decide::versions_before;

/// What is said of it.
pub fn told(version: &str) -> String {
    format!("version {version} is served here meanwhile")
}

/// That nothing is.
pub const NOTHING: &str = "no version of it is served here meanwhile";

impl Desk {
    /// What a host over this data folder serves of a plugin in the place of the active version, in a sentence.
    ///
    /// # Errors
    /// The store's.
    pub async fn meanwhile(&self, id: &str) -> Result<String, StoreError> {
        // Nothing stands in for what the configuration names.
        if self.pin(id).is_some() {
            return Ok(NOTHING.to_owned());
        }
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        let arranged = self.arranged().await?;
        for row in versions_before(&versions) {
            if may_serve(&self.config, &arranged, row) && is_here(&self.store, &row.digest).await {
                return Ok(told(&row.version));
            }
        }
        Ok(NOTHING.to_owned())
    }
}

/// Whether the folder for bytes has those of a version; taken to be so where that cannot be told.
pub async fn is_here(store: &Store, digest: &str) -> bool {
    match BlobKey::plugin(digest) {
        Ok(key) => !matches!(store.blobs().exists(&key).await, Ok(false)),
        Err(_) => false,
    }
}
