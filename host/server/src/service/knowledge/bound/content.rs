//! The bytes of a document, from the blob store.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use hardpoint_runtime::{DocumentContent, KnowledgeError};
use hardpoint_store::Blobs;
use hardpoint_store::blobs::BlobKey;

use super::away;

/// Under its key.
pub struct BlobContent {
    /// Where it is kept.
    pub blobs: Blobs,
    /// Under what.
    pub key: BlobKey,
}

impl DocumentContent for BlobContent {
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, KnowledgeError>> {
        async move {
            let bytes = self.blobs.read(&self.key, offset, u64::from(length)).await.map_err(away)?;
            if bytes.is_empty() {
                // Nobody reads past the end: what is not there was lost.
                return Err(KnowledgeError::Unavailable("the document's bytes are not there".to_owned()));
            }
            Ok(bytes)
        }
        .boxed()
    }
}
