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

use hardpoint_store::plugins::{Plugin, State};

pub use desk::{Desk, DeskError, Granted};
pub use upload::inspect_upload;

/// How the reason of a version begins that an operator took out of service. Such a version is not tried
/// again by itself.
pub const REVOKED: &str = "revoked by";

/// Whether an operator took this version out of service, and nobody has allowed it again.
pub fn is_revoked(version: &Plugin) -> bool {
    version.state == State::Rejected && version.reason.as_ref().is_some_and(|why| why.starts_with(REVOKED))
}
