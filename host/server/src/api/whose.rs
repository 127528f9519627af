//! Whose resources a request is about, where an operator may ask for those of others.

use serde::Deserialize;
use utoipa::IntoParams;

/// Whose they are.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// The caller's own organisation where left out. Another one is for operators.
    organization_id: Option<String>,
}

impl Whose {
    pub(super) fn organization(&self) -> Option<&str> {
        self.organization_id.as_deref()
    }
}
