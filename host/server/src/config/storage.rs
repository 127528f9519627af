//! `[storage]`: where bytes are kept that are too large for the database.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::Config;
use super::read::Problem;

/// `[storage]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The folder for plugins' bytes, which hosts on one PostgreSQL may share; `blobs` in the data folder where left
    /// out.
    pub blobs: Option<PathBuf>,
}

/// What is uploaded is kept there as `plugins/HEX.wasm`: in the folder that is looked through it would serve without
/// anybody's approval.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let mut problem = |message: String| problems.push(Problem::new("storage.blobs", message));
    let written = config.storage.blobs.as_deref();
    if written.is_some_and(|path| path.as_os_str().is_empty()) {
        return problem("must be the path of a folder".to_owned());
    }
    let (blobs, plugins) = (config.blobs_folder(), config.plugins_folder());
    if blobs.exists() && !blobs.is_dir() {
        return problem(format!("{} is no folder", blobs.display()));
    }
    let real_plugins = real(&plugins);
    // The folder in it may be a link to elsewhere.
    let real_blobs = [real(&blobs), real(&blobs.join("plugins"))];
    // Where it is left out it is in the data folder, wherever that is: nothing in it is looked through by that.
    let is_around = written.is_some() && real_blobs.iter().any(|blobs| blobs.starts_with(&real_plugins));
    if is_around || real_blobs.iter().any(|blobs| real_plugins.starts_with(blobs)) {
        problem(format!(
            "the folder for bytes ({}) and the plugins folder ({}) must be apart: what is uploaded would be taken for \
             what an operator put there",
            blobs.display(),
            plugins.display()
        ));
    }
}

/// A path without links, as far as it is there; what `..` goes back from need not be.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for component in whole.components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            component => {
                real.push(component);
                real = real.canonicalize().unwrap_or(real);
            }
        }
    }
    real
}
