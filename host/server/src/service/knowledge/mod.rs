//! Knowledge bases: what is in them, how it is read and found.

pub mod bases;
pub mod bound;
pub mod chat;
pub mod dashboard;
pub mod desk;
pub mod documents;
pub mod embedder;
pub mod ground;
pub mod library;
mod media_type;
pub mod remote;
pub mod resting;
pub mod retriever;
pub mod search;
pub mod told;
pub mod upload;

use hardpoint_store::StoreError;

/// Does again what another transaction was in the way of.
pub(crate) async fn repeat<T, W>(mut work: impl FnMut() -> W) -> Result<T, StoreError>
where
    W: Future<Output = Result<T, StoreError>>,
{
    loop {
        match work().await {
            Err(StoreError::Conflict) => {}
            done => return done,
        }
    }
}
