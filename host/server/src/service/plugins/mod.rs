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

/// How the reason of a version begins that could not be loaded, and that another one came after. It is not tried again by
/// itself, but when its file is written once more.
pub const SET_ASIDE: &str = "set aside:";

/// Whether a version could not be loaded, and another one came after it.
pub fn is_set_aside(version: &Plugin) -> bool {
    version.state == State::Rejected && version.reason.as_ref().is_some_and(|why| why.starts_with(SET_ASIDE))
}

/// Whether an operator took this version out of service, and nobody has allowed it again.
pub fn is_revoked(version: &Plugin) -> bool {
    version.state == State::Rejected && version.reason.as_ref().is_some_and(|why| why.starts_with(REVOKED))
}
