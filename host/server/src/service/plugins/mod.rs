//! Plugins, as operators deal with them: what there is, what it asks for, what it may do.

pub mod desk;
pub mod plan;
pub mod upload;
pub mod view;

pub use desk::{Desk, DeskError, Granted};

/// How the reason of a version begins that an operator took out of service. Such a version is not tried
/// again by itself.
pub const REVOKED: &str = "revoked by";
