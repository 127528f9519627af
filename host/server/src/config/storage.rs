//! `[storage]`: where bytes are kept that are too large for the database.

use std::path::PathBuf;

use serde::Deserialize;

/// `[storage]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The folder for plugins' bytes, which hosts on one PostgreSQL may share; `blobs` in the data folder where left
    /// out.
    pub blobs: Option<PathBuf>,
}
