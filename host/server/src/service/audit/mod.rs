//! The audit log: who signs what its chain is, and whether it still is that.

pub mod integrity;
pub mod log;
pub mod retention;
pub mod signing;

use hardpoint_domain::chain::checkpoint::{PublicKey, Signer};
use hardpoint_domain::event::Event;
use hardpoint_domain::seal::Keyring;
use hardpoint_store::{Lane, Store, StoreError, chain};
use tokio::sync::{Mutex, MutexGuard};

/// The kind of the events that tell of exports.
pub const EXPORTED: &str = "audit_log.exported";
/// The kind of the events that tell of exports which did not deliver everything.
pub const EXPORT_FAILED: &str = "audit_log.export_failed";

/// Events that get their numbers in one transaction.
const BATCH: u32 = 256;

/// Writes down what somebody did that changes nothing in the store: an event without a change.
///
/// # Errors
/// The store's: then it should not be done.
pub async fn note(store: &Store, event: Event) -> Result<(), StoreError> {
    store.write(Lane::Request, move |tx| Box::pin(async move { tx.append(&event, &[]).await })).await
}

/// Gives every event that is there its place in the chain. Tells the last place after each transaction.
///
/// # Errors
/// The store's; what was numbered by then stays.
pub async fn number_all(store: &Store, mut is_at: impl FnMut(i64)) -> Result<(), StoreError> {
    while chain::is_waiting(&mut store.read().await?).await? {
        let write = store.write(Lane::Bulk, |tx| Box::pin(async move { chain::number(tx, BATCH).await }));
        is_at(write.await?.head);
    }
    Ok(())
}

/// The keys of checkpoints: the newest signs, all of them are known.
#[derive(Debug)]
pub struct AuditKeys {
    signers: Vec<Signer>,
    signing: Mutex<()>,
}

impl AuditKeys {
    /// Those that come from these keys of the host.
    pub fn of(keyring: &Keyring) -> Self {
        Self { signers: keyring.iter().filter_map(Signer::of).collect(), signing: Mutex::default() }
    }

    /// What signatures are checked with, oldest first.
    pub fn known(&self) -> Vec<PublicKey> {
        self.signers.iter().map(Signer::public_key).collect()
    }

    /// Waits for who else signs for this host: what is signed goes on from what it signed before.
    async fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.signing.lock().await
    }

    fn newest(&self) -> Option<&Signer> {
        self.signers.last()
    }
}
