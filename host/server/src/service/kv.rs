//! The store behind the `kv` of tools.

use futures_util::future::BoxFuture;
use hardpoint_runtime::{KvBackend, KvError, KvSpace};
use hardpoint_store::kv::{self, Namespace};
use hardpoint_store::{Lane, Store, StoreError};

/// Values in the store, each namespace of a binding and an organisation for itself.
pub struct StoredKv(pub Store);

fn namespace(space: KvSpace<'_>) -> Namespace {
    Namespace { binding: space.binding.to_owned(), organization_id: space.organization.to_owned() }
}

/// What a guest may learn of an error of the store.
fn refused(error: StoreError) -> KvError {
    match error {
        StoreError::Quota(text) => KvError::TooLarge(text),
        StoreError::InvalidText => KvError::TooLarge(error.to_string()),
        error => {
            tracing::warn!(%error, "key-value store");
            KvError::Unavailable("the key-value store cannot be reached".to_owned())
        }
    }
}

impl KvBackend for StoredKv {
    fn get<'a>(
        &'a self,
        space: KvSpace<'a>,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(async move {
            let mut conn = self.0.read().await.map_err(refused)?;
            kv::get(&mut conn, &namespace(space), key).await.map_err(refused)
        })
    }

    fn set<'a>(
        &'a self,
        space: KvSpace<'a>,
        key: &'a str,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), KvError>> {
        let (namespace, key) = (namespace(space), key.to_owned());
        Box::pin(async move {
            let write = self.0.write(Lane::Request, move |tx| {
                Box::pin(async move { kv::set(tx, &namespace, &key, &value).await })
            });
            write.await.map_err(refused)
        })
    }

    fn delete<'a>(&'a self, space: KvSpace<'a>, key: &'a str) -> BoxFuture<'a, Result<(), KvError>> {
        let (namespace, key) = (namespace(space), key.to_owned());
        Box::pin(async move {
            let write = self.0.write(Lane::Request, move |tx| {
                Box::pin(async move { kv::delete(tx, &namespace, &key).await.map(drop) })
            });
            write.await.map_err(refused)
        })
    }

    fn keys<'a>(
        &'a self,
        space: KvSpace<'a>,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, KvError>> {
        Box::pin(async move {
            let mut conn = self.0.read().await.map_err(refused)?;
            let mut keys = kv::keys(&mut conn, &namespace(space), prefix, after).await.map_err(refused)?;
            keys.truncate(limit as usize);
            Ok(keys)
        })
    }
}
