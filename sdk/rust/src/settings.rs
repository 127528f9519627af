//! A binding's settings, typed.

use alloc::format;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// For plugins without settings: takes whatever is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NoSettings {}

/// The host has checked settings against the manifest's schema, so an error here is the plugin's: the
/// schema lets through what the type does not. Members that the type does not know are left alone.
pub(crate) fn parse<T: DeserializeOwned>(settings: &str) -> Result<T, Failure> {
    serde_json::from_str(if settings.is_empty() { "{}" } else { settings })
        .map_err(|error| Failure::unsupported(format!("the plugin cannot read its settings: {error}")))
}
