//! Which version a host serves as long as it lacks the bytes of the one that is active. `decide` takes the first of those
//! before it that is loaded; who only looks at what is kept asks whose bytes are there.

use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Store, StoreError};

use super::Desk;
use super::desk::may_serve;

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
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        let arranged = self.arranged().await?;
        for row in before(&versions) {
            if is_here(&self.store, &row.digest).await {
                let serves = may_serve(&self.config, &arranged, row);
                return Ok(if serves { told(&row.version) } else { NOTHING.to_owned() });
            }
        }
        Ok(NOTHING.to_owned())
    }
}

/// Versions that served once, the newest first.
pub fn before(versions: &[Plugin]) -> Vec<&Plugin> {
    let served = |row: &&Plugin| row.state == State::Superseded && row.served_at.is_some();
    let mut before: Vec<&Plugin> = versions.iter().filter(served).collect();
    before.sort_by_key(|row| std::cmp::Reverse(row.served_at));
    before
}

/// Whether the folder for bytes has those of a version; taken to be so where that cannot be told.
pub async fn is_here(store: &Store, digest: &str) -> bool {
    match BlobKey::plugin(digest) {
        Ok(key) => !matches!(store.blobs().exists(&key).await, Ok(false)),
        Err(_) => false,
    }
}
