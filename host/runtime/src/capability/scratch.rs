//! `/scratch`: an empty folder for the time of one call, for tools that were granted it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::error::Fault;
use crate::sandbox::CallState;

/// What a call may keep in its folder, in bytes.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Files and folders that a call may keep.
const SCRATCH_ENTRIES: u64 = 10_000;
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
        std::fs::create_dir_all(root)?;
        let dir = Dir::open_ambient_dir(root, ambient_authority())?;
        dir.create_dir(&name)?;
        Ok(Self { path: root.join(&name), root: dir, name })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Completes when the folder holds more than it may. WASI knows no quotas, so the folder is looked
    /// at every few milliseconds; what a guest can write in between bounds the overshoot.
    pub(crate) async fn overflow(root: Dir, name: String) -> Fault {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let size = root.open_dir(&name).and_then(|dir| size_of(&dir));
            if size.is_ok_and(|(bytes, entries)| bytes > SCRATCH_BYTES || entries > SCRATCH_ENTRIES) {
                return Fault::Scratch(SCRATCH_BYTES);
            }
        }
    }

    /// What `overflow` needs, free of borrows.
    pub(crate) fn watched(&self) -> std::io::Result<(Dir, String)> {
        Ok((self.root.try_clone()?, self.name.clone()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.root.remove_dir_all(&self.name) {
            tracing::warn!(%error, "a scratch folder cannot be removed");
        }
    }
}

/// Bytes and entries, folders within folders included.
fn size_of(dir: &Dir) -> std::io::Result<(u64, u64)> {
    let (mut bytes, mut entries) = (0, 0);
    let mut pending = vec![dir.try_clone()?];
    while let Some(dir) = pending.pop() {
        for entry in dir.entries()? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries += 1;
            bytes += metadata.len();
            if metadata.is_dir() {
                pending.push(entry.open_dir()?);
            }
        }
        if bytes > SCRATCH_BYTES || entries > SCRATCH_ENTRIES {
            break;
        }
    }
    Ok((bytes, entries))
}

impl CallState {
    /// Makes the folder, where the binding was granted one.
    pub(crate) fn prepare_scratch(&mut self) -> Result<(), Fault> {
        if !self.binding.permissions().scratch {
            return Ok(());
        }
        let host = &self.binding.generation.host;
        let name = hardpoint_domain::id::prefixed("scratch", host.services.clock.now(), &*host.services.rng);
        let scratch = Scratch::create(&host.scratch_dir, name)
            .map_err(|error| Fault::Host(format!("no scratch folder: {error}")))?;
        self.scratch = Some(scratch);
        Ok(())
    }
}
