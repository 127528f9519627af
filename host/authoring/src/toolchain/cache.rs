//! Folders that are made once, outside every project.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, at};

/// Where toolchains are kept.
pub(super) fn toolchains() -> Result<PathBuf, Error> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let caches = caches.ok_or_else(|| {
        Error::Missing(
            "neither XDG_CACHE_HOME nor HOME is set: there is no place to keep toolchains".to_owned(),
        )
    })?;
    Ok(caches.join("hardpoint").join("toolchains"))
}

/// Makes `folder` by `make` unless it was made from just this `recipe`. What is half made is made again. Of
/// several processes one makes it and the others wait.
pub(super) fn made_once(
    folder: &Path,
    recipe: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let stamp = folder.join("made-from");
    let is_made = || fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == recipe);
    if is_made() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    let mut lock_file = folder.as_os_str().to_owned();
    lock_file.push(".lock");
    let lock_file = PathBuf::from(lock_file);
    let lock = File::create(&lock_file).map_err(at(&lock_file))?;
    lock.lock().map_err(at(&lock_file))?;
    if is_made() {
        return Ok(());
    }
    if folder.exists() {
        #[allow(clippy::disallowed_methods, reason = "a folder of our own in the author's cache")]
        fs::remove_dir_all(folder).map_err(at(folder))?;
    }
    make(folder)?;
    fs::write(&stamp, recipe).map_err(at(&stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_again_when_the_recipe_changes_or_it_failed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/made-1.2");
        let mut times = 0;
        for recipe in ["one", "one", "two"] {
            made_once(&folder, recipe, |folder| {
                times += 1;
                fs::create_dir(folder).map_err(at(folder))
            })
            .unwrap();
        }
        assert_eq!(times, 2);
        let failing = made_once(&folder, "three", |folder| {
            fs::create_dir(folder).map_err(at(folder))?;
            Err(Error::Missing("no network".to_owned()))
        });
        assert!(failing.is_err());
        made_once(&folder, "three", |folder| fs::create_dir(folder).map_err(at(folder))).unwrap();
    }
}
