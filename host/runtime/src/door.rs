//! Whom a plugin is open to at the moment, over all its versions. It is no part of a binding: opening a plugin
//! to one more organisation must not cost the others their warm sandboxes, nor a breaker its memory.

use arc_swap::ArcSwap;
use hardpoint_domain::reach::Reach;

/// Asked at every service and again at the sandbox; open to all until somebody says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Door(ArcSwap<Reach>);

impl Door {
    pub(crate) fn set(&self, reach: Reach) {
        self.0.store(reach.into());
    }

    pub(crate) fn admits(&self, organization: &str) -> bool {
        self.0.load().admits(organization)
    }
}

/// Whom a plugin is open to, and every name that leads to it, whether or not it is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The plugin's id.
    pub plugin: String,
    /// Whom it is open to.
    pub reach: Reach,
    /// Names of its bindings.
    pub bindings: Vec<String>,
}
