//! What lies in the plugins folder, whether or not a host has looked at it.

use bytes::Bytes;
use hardpoint_runtime::{Inspection, inspect};

use crate::config::Config;
use crate::worker::reload::folder::{Content, Entry, Folder};

/// A component of the folder.
pub(super) struct Found {
    /// The file's name.
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) inspection: Inspection,
}

/// The components of the folder, by name; none where there is no folder, and without what cannot be read.
pub(super) fn components(config: &Config) -> impl Iterator<Item = Found> {
    let path = config.plugins_folder();
    // Looking makes no folder.
    let folder = path.is_dir().then(|| Folder::at(&path).ok()).flatten();
    let entries = folder.as_ref().and_then(|folder| folder.entries().ok()).unwrap_or_default();
    let limit = config.plugins.max_component_bytes.0;
    entries.into_iter().filter_map(move |(name, entry)| {
        let Entry::File(signature) = entry else { return None };
        if signature.size > limit {
            return None;
        }
        let Content::Whole(bytes) = folder.as_ref()?.read(&name, signature) else { return None };
        let inspection = inspect(&bytes).ok()?;
        Some(Found { name, bytes, inspection })
    })
}

/// The files that hold versions of a plugin.
pub(super) fn files_of(config: &Config, id: &str) -> Vec<String> {
    components(config).filter(|found| found.inspection.manifest.id == id).map(|found| found.name).collect()
}
