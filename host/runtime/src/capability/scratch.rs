//! `/scratch`: an empty folder for the time of one call, for tools that were granted it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::error::Fault;
use crate::sandbox::CallState;

/// What a call may keep in its folder, in bytes.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Files and folders that a call may keep.
const SCRATCH_ENTRIES: u64 = 10_000;
/// Folders within folders.
const DEEPEST: u32 = 64;
/// How often the folder is looked at while the guest runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A folder that is gone with its call.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: Dir,
    name: String,
    path: PathBuf,
}

impl Scratch {
    fn create(root: &Path, name: String) -> std::io::Result<Self> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())?;
        dir.create_dir(&name)?;
        Ok(Self { path: root.join(&name), root: dir, name })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Completes when the folder holds more than it may. WASI knows no quotas, so the folder is looked
    /// at every few milliseconds; what a guest can write in between bounds the overshoot. A folder that
    /// cannot be looked at counts as too full.
    pub(crate) async fn overflow(root: Dir, name: String, path: PathBuf) -> Fault {
        let looked = Arc::new((root, name, path));
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = Arc::clone(&looked);
            let look = move || {
                let (root, name, path) = &*looked;
                let mut room = Room { bytes: SCRATCH_BYTES, entries: SCRATCH_ENTRIES };
                room.take_deleted(path)?;
                room.take_folder(&root.open_dir(name)?, 0)
            };
            if !matches!(tokio::task::spawn_blocking(look).await, Ok(Ok(()))) {
                return Fault::Scratch(SCRATCH_BYTES);
            }
        }
    }

    /// What `overflow` needs, free of borrows.
    pub(crate) fn watched(&self) -> std::io::Result<(Dir, String, PathBuf)> {
        Ok((self.root.try_clone()?, self.name.clone(), self.path.clone()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.root.remove_dir_all(&self.name) {
            tracing::warn!(%error, "a scratch folder cannot be removed");
        }
    }
}

/// What a folder may still hold. Running out of it is an error like any other.
struct Room {
    bytes: u64,
    entries: u64,
}

impl Room {
    fn take(&mut self, bytes: u64) -> std::io::Result<()> {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(full)?;
        self.entries = self.entries.checked_sub(1).ok_or_else(full)?;
        Ok(())
    }

    /// Folders within folders included, one handle a level. What vanishes meanwhile is passed over.
    fn take_folder(&mut self, dir: &Dir, depth: u32) -> std::io::Result<()> {
        if depth > DEEPEST {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        for entry in dir.entries()? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            self.take(metadata.len())?;
            if metadata.is_dir() {
                match entry.open_dir() {
                    Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {}
                    inner => self.take_folder(&inner?, depth + 1)?,
                }
            }
        }
        Ok(())
    }

    /// Files that have no name any more and live on through an open handle: the kernel shows them among
    /// this process's own.
    fn take_deleted(&mut self, folder: &Path) -> std::io::Result<()> {
        for handle in std::fs::read_dir("/proc/self/fd")? {
            let handle = handle?.path();
            // A handle closed meanwhile is no concern.
            let Ok(target) = std::fs::read_link(&handle) else { continue };
            let deleted = target.to_string_lossy().ends_with(" (deleted)");
            if deleted && target.starts_with(folder) {
                self.take(std::fs::metadata(&handle).map_or(0, |metadata| metadata.len()))?;
            }
        }
        Ok(())
    }
}

impl CallState {
    /// Makes the folder, where the binding was granted one.
    pub(crate) fn prepare_scratch(&mut self) -> Result<(), Fault> {
        if !self.binding.permissions().scratch {
            return Ok(());
        }
        let host = &self.binding.generation.host;
        let name = hardpoint_domain::id::prefixed("scratch", host.services.clock.now(), &*host.services.rng);
        let scratch = Scratch::create(host.workplace.path(), name)
            .map_err(|error| Fault::Host(format!("no scratch folder: {error}")))?;
        self.scratch = Some(scratch);
        Ok(())
    }
}
