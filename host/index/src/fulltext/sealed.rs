//! A folder whose small files are sealed by a checksum.
//!
//! Tantivy checks the files of its segments itself; what names them (`meta.json`, with the sequence that the index
//! reaches, and `.managed.json`) it only parses.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr,
};

/// Bytes of the seal, a CRC-32 at the end of the file.
const SEAL: usize = 4;

/// A folder of memory-mapped files.
#[derive(Clone, Debug)]
pub(super) struct Sealed(pub(super) MmapDirectory);

impl Directory for Sealed {
    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let mut bytes = self.0.atomic_read(path)?;
        let broken = || {
            let error = io::Error::new(io::ErrorKind::InvalidData, "it is not as it was written");
            OpenReadError::wrap_io_error(error, path.to_owned())
        };
        let end = bytes.len().checked_sub(SEAL).ok_or_else(broken)?;
        let seal = bytes.split_off(end);
        if crc32fast::hash(&bytes).to_le_bytes()[..] != seal[..] {
            return Err(broken());
        }
        Ok(bytes)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let sealed = [data, &crc32fast::hash(data).to_le_bytes()].concat();
        self.0.atomic_write(path, &sealed)
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.0.open_write(path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}
