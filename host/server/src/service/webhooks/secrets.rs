//! Signing secrets: kept sealed, each for its endpoint and name.

use hardpoint_domain::seal::{Keyring, SealError};
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook::signature::SigningSecret;
use hardpoint_store::secrets::Secret;
use hardpoint_store::webhooks::Endpoint;

use super::Webhooks;
use crate::error::ApiError;
use crate::service::accounts::Principal;
use crate::service::vault;

/// The name of the one that signs.
pub const CURRENT: &str = "current";
/// The name of the one before it, which signs as well during an overlap.
pub const PREVIOUS: &str = "previous";

impl Webhooks {
    /// Seals a secret for an endpoint, which the host alone uses.
    ///
    /// # Errors
    /// As [`vault::seal`]; but a host without a master key has one of its own.
    pub(super) fn sealed(
        &self,
        by: &Principal,
        endpoint_id: &str,
        name: &str,
        secret: &SigningSecret,
    ) -> Result<Secret, ApiError> {
        let (keyring, now) = (self.post.keyring(), self.clock.now());
        let place = (endpoint_id, name, None);
        vault::seal(keyring, &*self.rng, place, &secret.reveal(), (by.author().name(), now))
    }
}

/// Opens a signing secret.
///
/// # Errors
/// If its key is not here, or it was changed.
pub fn open(keyring: &Keyring, secret: &Secret) -> Result<SigningSecret, SealError> {
    let text = vault::open(keyring, secret)?;
    SigningSecret::parse(text.reveal()).map_err(|_| SealError::Broken)
}

/// The secrets that sign for an endpoint at `now`, the newest first, from all that are kept for it.
///
/// # Errors
/// If the present one cannot be opened here, or is not there.
pub fn signing(
    keyring: &Keyring,
    endpoint: &Endpoint,
    kept: &[Secret],
    now: Timestamp,
) -> Result<Vec<SigningSecret>, SealError> {
    let named = |name: &str| kept.iter().find(|secret| secret.name == name);
    let mut all = vec![open(keyring, named(CURRENT).ok_or(SealError::Broken)?)?];
    if endpoint.previous_until.is_some_and(|until| now < until)
        && let Some(previous) = named(PREVIOUS)
    {
        all.push(open(keyring, previous)?);
    }
    Ok(all)
}
