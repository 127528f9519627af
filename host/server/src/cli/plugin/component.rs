//! A component's file, as somebody names it on the command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use hardpoint_domain::id::PluginId;
use hardpoint_runtime::inspect;

use super::Failure;
use crate::service::plugins::DeskError;

/// Its bytes.
pub(super) fn read(path: &Path) -> Result<Bytes, Failure> {
    if path.is_dir() {
        return Err(folder(path));
    }
    let shown = path.display();
    // Who names a plugin that is published may not know that this takes what was not.
    if !path.exists() && PluginId::parse(&shown.to_string()).is_ok() {
        let what = format!(
            "there is no file `{shown}`: name a packed component, a file that ends in .wasm, not a plugin's id"
        );
        return Err(Failure::Misuse(what));
    }
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    Ok(bytes.into())
}

/// Refuses a file in the place of a plugin's id, and tells the id.
pub(super) fn check_id(id: &str) -> Result<(), Failure> {
    if !is_path(id) {
        return Ok(());
    }
    let inspected = std::fs::read(id).ok().and_then(|bytes| inspect(&bytes).ok());
    let example = match &inspected {
        Some(inspection) => format!("`{}`", inspection.manifest.id),
        None => "`hardpoint plugin list` tells those that there are".to_owned(),
    };
    Err(Failure::Misuse(format!("`{id}` is a file, and this takes the id of a published plugin: {example}")))
}

/// Whether somebody means a file, whether or not it is there.
pub(super) fn is_path(target: &str) -> bool {
    target.contains('/') || target.ends_with(".wasm")
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
