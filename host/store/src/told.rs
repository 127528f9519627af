//! Which endpoints something was queued for by this process: a hint for who delivers, so that nobody waits for the
//! next look. What others queue, or a caller that stopped waiting, is found by looking.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::{StoreError, Tx};

/// Endpoints, until somebody asks for them.
#[derive(Debug, Default)]
pub struct Told {
    endpoints: Mutex<BTreeSet<String>>,
    bell: Notify,
}

impl Told {
    /// Something was queued for these, and is committed; or is due again.
    pub fn add(&self, endpoints: Vec<String>) {
        if endpoints.is_empty() {
            return;
        }
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).extend(endpoints);
        self.bell.notify_one();
    }

    /// Waits until there are any, and takes them. For one who asks at a time.
    pub async fn next(&self) -> BTreeSet<String> {
        loop {
            let taken = std::mem::take(&mut *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.bell.notified().await;
        }
    }
}

/// What a write answers, and for whom it queued something.
type Noted<'t, T> = BoxFuture<'t, Result<(T, Vec<String>), StoreError>>;

/// A write that says as well for whom it queued something.
pub(crate) fn noting<T, F>(op: F) -> impl for<'t> FnOnce(&'t mut Tx) -> Noted<'t, T> + Send + 'static
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
{
    move |tx| {
        Box::pin(async move {
            // Of a write before it in the same group that failed.
            tx.take_told();
            let value = op(tx).await?;
            Ok((value, tx.take_told()))
        })
    }
}
