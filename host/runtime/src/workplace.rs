//! A folder of one runtime alone, for what must not outlive it: code still being compiled, scratch
//! folders of calls.
//!
//! A killed process cleans nothing up, so the next one does. Whether a folder is still somebody's is told
//! by a lock that the kernel lets go of with its process: process numbers come back (in a container the
//! host's is always 1), and times depend on clocks.

use std::fs::File;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

/// The folder; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Workplace {
    _folder: TempDir,
    /// The kernel names open files by their real path.
    path: PathBuf,
    _claim: File,
}

impl Workplace {
    /// Makes a folder within `all`, and removes there what killed processes left.
    pub(crate) fn new(all: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(all)?;
        // Whoever else starts now waits, so that nobody takes a folder just made for an abandoned one.
        let gate = File::open(all)?;
        gate.lock()?;
        sweep(all)?;
        let folder = tempfile::tempdir_in(all)?;
        let claim = File::open(folder.path())?;
        claim.lock()?;
        Ok(Self { path: folder.path().canonicalize()?, _folder: folder, _claim: claim })
    }

    /// The folder's real path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn sweep(all: &Path) -> std::io::Result<()> {
    let root = Dir::open_ambient_dir(all, ambient_authority())?;
    for entry in root.entries()? {
        let name = entry?.file_name();
        let abandoned = File::open(all.join(&name)).is_ok_and(|folder| folder.try_lock().is_ok());
        if abandoned && let Err(error) = root.remove_dir_all(&name) {
            tracing::warn!(%error, folder = ?name, "what a killed host left cannot be removed");
        }
    }
    Ok(())
}
