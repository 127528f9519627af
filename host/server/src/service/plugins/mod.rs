//! Plugins, as operators deal with them: what there is, what it asks for, what it may do.

pub mod arranged;
pub mod bind;
pub mod desk;
mod digest;
pub mod discard;
pub mod enable;
pub mod meanwhile;
pub mod narrow;
pub mod near;
pub mod plan;
pub mod rehearsal;
pub mod review;
pub mod settings;
mod standing;
pub mod switch;
pub mod upload;
pub mod view;

use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{StoreError, Tx};

pub use desk::{Desk, DeskError, Granted};
pub use upload::inspect_upload;

/// How the reason of a version begins that an operator took out of service. Such a version is not tried
/// again by itself.
pub const REVOKED: &str = "revoked by";

/// How the reason of a version begins that could not be loaded, and that another one came after. It is not tried again by
/// itself, but when its file is written once more.
pub const SET_ASIDE: &str = "set aside:";

/// Whether a version could not be loaded, and another one came after it.
pub fn is_set_aside(version: &Plugin) -> bool {
    version.state == State::Rejected && version.reason.as_ref().is_some_and(|why| why.starts_with(SET_ASIDE))
}

/// Whether a version could not be loaded, and is tried again once a host starts anew.
pub fn has_failed(version: &Plugin) -> bool {
    version.state == State::Rejected && !is_revoked(version) && !is_set_aside(version)
}

/// Has a version that could not be loaded tried again no more, since another one came after it. It never was that
/// version: it stays one that could not be loaded, and says why.
///
/// # Errors
/// The store's.
pub async fn set_aside(tx: &mut Tx, failed: &Plugin, reason: &str) -> Result<(), StoreError> {
    let why = failed.reason.as_deref().unwrap_or("it could not be loaded");
    let reason = format!("{SET_ASIDE} {reason}; before that: {why}");
    plugins::set_reason(tx, &failed.id, &failed.digest, Some(&reason)).await.map(drop)
}

/// Whether an operator took this version out of service, and nobody has allowed it again.
pub fn is_revoked(version: &Plugin) -> bool {
    version.state == State::Rejected && version.reason.as_ref().is_some_and(|why| why.starts_with(REVOKED))
}
