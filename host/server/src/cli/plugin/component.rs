//! A component's file, as somebody names it on the command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;

use super::Failure;
use crate::service::plugins::DeskError;

/// Its bytes.
pub(super) fn read(path: &Path) -> Result<Bytes, Failure> {
    if path.is_dir() {
        return Err(folder(path));
    }
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(bytes.into())
}

/// What is said of a plugin that was named and is not there. A folder of that name may have been meant.
pub(super) fn missing(target: &str, error: DeskError) -> Failure {
    match error {
        DeskError::NoPlugin { .. } if Path::new(target).is_dir() => folder(Path::new(target)),
        error => error.into(),
    }
}

/// What to name in the place of a folder.
pub(super) fn folder(path: &Path) -> Failure {
    let shown = path.display();
    let built = built(path);
    Failure::Misuse(match built.as_slice() {
        [one] => format!("{shown} is a folder: name the component in it, {}", one.display()),
        [] if path.join("plugin.toml").is_file() => {
            format!(
                "{shown} is the folder of a project: build it first, with `hardpoint plugin build {shown}`"
            )
        }
        _ => format!("{shown} is a folder: name a packed component, a file that ends in .wasm"),
    })
}

/// What was built there.
fn built(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|file| file.is_file() && file.extension().is_some_and(|ending| ending == "wasm")).collect()
}
