//! What a project is built from, and whether it has changed. Looked at twice a second: a handful of files, on
//! whatever file system, whether an editor writes them in place or beside.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(300);

/// Folders that are made, not written.
const MADE: [&str; 6] = ["build", "target", "node_modules", "__pycache__", "dist", "venv"];

/// The files that a project is built from, as they were at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    folder: PathBuf,
    files: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
}

impl Sources {
    /// Those of the project in `folder` now.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut found = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        found.look(&PathBuf::new())?;
        Ok(found)
    }

    fn look(&mut self, below: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(self.folder.join(below))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = below.join(&*name);
            // What is gone by now is no source any more.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && !name.starts_with('.') && !MADE.contains(&&*name) {
                self.look(&path)?;
            } else if metadata.is_file() && is_source(&name) {
                self.files.insert(path, (metadata.len(), metadata.modified().ok()));
            }
        }
        Ok(())
    }

    /// Waits until they differ from these, and then until they stand still; gives them, and what differs.
    ///
    /// # Errors
    /// If the folder cannot be read any more.
    pub(super) async fn changed(&self) -> io::Result<(Self, Vec<PathBuf>)> {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut now = Self::of(&self.folder)?;
            if now == *self {
                continue;
            }
            loop {
                tokio::time::sleep(LOOK).await;
                let later = Self::of(&self.folder)?;
                if later == now {
                    break;
                }
                now = later;
            }
            let differing = self.differing(&now);
            if !differing.is_empty() {
                return Ok((now, differing));
            }
        }
    }

    fn differing(&self, other: &Self) -> Vec<PathBuf> {
        let here = self.files.iter().filter(|(path, seen)| other.files.get(*path) != Some(seen));
        let there = other.files.keys().filter(|path| !self.files.contains_key(*path));
        here.map(|(path, _)| path.clone()).chain(there.cloned()).collect()
    }
}

/// Whether a file of this name is written by people: not what editors leave behind, nor what is built.
fn is_source(name: &str) -> bool {
    let leftover = name.starts_with('.') || name.ends_with('~') || name.ends_with(".swp");
    !leftover && !name.ends_with(".wasm") && name != "Cargo.lock" && name != "package-lock.json"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_people_write_is_seen_and_what_is_built_is_not() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("plugin.toml", "a");
        write("src/lib.rs", "a");
        let before = Sources::of(place.path()).unwrap();
        for made in [
            "build/component.wasm",
            "target/x",
            "word.wasm",
            ".git/HEAD",
            "src/.lib.rs.swp",
            "a.py~",
            "Cargo.lock",
        ] {
            write(made, "x");
        }
        assert_eq!(Sources::of(place.path()).unwrap(), before);
        write("src/lib.rs", "longer");
        write("src/new.rs", "");
        fs::remove_file(place.path().join("plugin.toml")).unwrap();
        let (now, mut differing) = before.changed().await.unwrap();
        differing.sort();
        assert_eq!(differing, ["plugin.toml", "src/lib.rs", "src/new.rs"].map(PathBuf::from));
        assert_eq!(now, Sources::of(place.path()).unwrap());
    }
}
