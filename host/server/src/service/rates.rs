//! What models cost: a version of the rates is named by what is in it, so that hosts with the same configuration have
//! the same version, and a charge can be understood years later.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardpoint_domain::hex;
use hardpoint_domain::model::{Model, Prices};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::rates::{self, RateVersion};
use hardpoint_store::{Lane, Store, StoreError};
use sha2::{Digest, Sha256};

/// What every model costs.
pub struct Rates {
    /// The first 16 hex digits of the SHA-256 of all prices, as JSON.
    pub version: Arc<str>,
    /// By model.
    pub prices: BTreeMap<String, Prices>,
}

impl Rates {
    /// The configured models' prices.
    pub fn of(models: &[Model]) -> Self {
        let prices = models.iter().map(|model| (model.id.clone(), model.prices)).collect();
        let digest = Sha256::digest(json(&prices));
        let version = hex::show(&digest[..8]);
        Self { version: version.into(), prices }
    }

    /// Keeps them in the store, for whoever asks later what was charged.
    pub async fn keep(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let rates = String::from_utf8_lossy(&json(&self.prices)).into_owned();
        let version = RateVersion { version: self.version.to_string(), rates, created_at: now };
        let write = store.write(Lane::Bulk, |tx| Box::pin(async move { rates::insert(tx, &version).await }));
        write.await.map(drop)
    }
}

fn json(prices: &BTreeMap<String, Prices>) -> Vec<u8> {
    // Strings and numbers always serialise.
    serde_json::to_vec(prices).unwrap_or_default()
}
