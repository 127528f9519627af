//! A file of the data folder that is replaced as a whole: who reads it, after a crash too, finds what was written last or
//! what was written before, and never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a value as JSON in the place of what was there.
///
/// # Errors
/// If it cannot be written: then the file is as it was.
pub fn write(file: &Path, value: &impl Serialize) -> io::Result<()> {
    let unfinished = file.with_extension("part");
    let mut options = OpenOptions::new();
    let written = options.create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    serde_json::to_writer(&written, value)?;
    written.sync_all()?;
    fs::rename(unfinished, file)?;
    // The name as well is on the disk only then.
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// What was written last; none where nothing ever was.
///
/// # Errors
/// If it cannot be read, or is not what was written.
pub fn read<T: DeserializeOwned>(file: &Path) -> io::Result<Option<T>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
