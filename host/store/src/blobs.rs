//! Bytes that are too large for a table, kept under their digest or their document's id. They are never changed, so
//! putting the same again is no harm, and a row may refer to a blob as soon as it was put.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use crate::{Durability, StoreError};

/// Where a blob is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// `plugins/<digest>.wasm`: the component with this SHA-256, in hex, `sha256:` in front or not.
    pub fn plugin(digest: &str) -> Result<Self, StoreError> {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let is_digest = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_digest {
            return Err(StoreError::InvalidValue(format!("{digest:?} is no SHA-256 in lower-case hex")));
        }
        Ok(Self(format!("plugins/{hex}.wasm")))
    }

    /// `documents/<id>`: the bytes of this document. Not by their digest: what is deleted with one document may be what
    /// another is just uploaded with.
    ///
    /// # Errors
    /// [`StoreError::InvalidValue`] where it is no document's id.
    pub fn document(id: &str) -> Result<Self, StoreError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_id = (1..=80).contains(&id.len()) && id.bytes().all(fits);
        if !is_id {
            return Err(StoreError::InvalidValue(format!("{id:?} is no document's id")));
        }
        Ok(Self(format!("documents/{id}")))
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// As many as they should be. Whoever depends on them checks the digest: disks err.
    Bytes(Bytes),
    /// More or fewer.
    OtherSize,
    /// Nothing.
    Nothing,
}

/// Bytes of a blob are kept in pieces of at least this many while they come, which is all of it that is in memory. S3 takes
/// no smaller ones.
const PART: usize = 5 << 20;

/// The blob store.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Where it is on this machine; none of what is only in memory.
    folder: Option<PathBuf>,
}

impl Blobs {
    pub(crate) async fn open(folder: &Path, durability: Durability) -> Result<Self, StoreError> {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| StoreError::Blobs(format!("{}: {error}", folder.display())))?;
        let local = LocalFileSystem::new_with_prefix(folder)?.with_fsync(durability == Durability::Power);
        Ok(Self { store: Arc::new(local), folder: Some(folder.to_owned()) })
    }

    /// What is in a folder, only to be read. One that is not there is not made, and has nothing in it.
    pub(crate) fn there(folder: &Path) -> Result<Self, StoreError> {
        if !folder.is_dir() {
            return Ok(Self { store: Arc::new(InMemory::new()), folder: None });
        }
        let local = LocalFileSystem::new_with_prefix(folder)?;
        Ok(Self { store: Arc::new(local), folder: Some(folder.to_owned()) })
    }

    /// Puts bytes under their key. Readers see all of them or nothing; under `Durability::Power` they are
    /// on the disk when this returns.
    pub async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        self.store.put(&path(key), bytes.into()).await?;
        Ok(())
    }

    /// Puts bytes under a key as they come: see [`BlobWriter`].
    pub async fn writer(&self, key: &BlobKey) -> Result<BlobWriter, StoreError> {
        let upload = self.store.put_multipart(&path(key)).await?;
        Ok(BlobWriter { upload, held: BytesMut::new() })
    }

    /// The bytes under a key as they are read, which are known to be so many; none where there are others, or nothing.
    pub async fn stream(
        &self,
        key: &BlobKey,
        size: u64,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, StoreError>>>, StoreError> {
        match self.store.get(&path(key)).await {
            Ok(found) if found.meta.size == size => {
                Ok(Some(found.into_stream().map_err(StoreError::from).boxed()))
            }
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes under a key, which are known to be so many: others are not read, however many they are.
    pub async fn get(&self, key: &BlobKey, size: u64) -> Result<Found, StoreError> {
        match self.store.get(&path(key)).await {
            Ok(found) if found.meta.size == size => Ok(Found::Bytes(found.bytes().await?)),
            Ok(_) => Ok(Found::OtherSize),
            Err(object_store::Error::NotFound { .. }) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// At most `length` bytes from `offset` on of what is under a key: fewer at its end, none past it or where nothing
    /// is.
    pub async fn read(&self, key: &BlobKey, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        let size = match self.store.head(&path(key)).await {
            Ok(meta) => meta.size,
            Err(object_store::Error::NotFound { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        let end = offset.saturating_add(length).min(size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        Ok(self.store.get_range(&path(key), offset..end).await?)
    }

    /// Whether there is something under a key.
    pub async fn exists(&self, key: &BlobKey) -> Result<bool, StoreError> {
        match self.store.head(&path(key)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what was begun to be written under a key by a host that went down: what `object_store` writes beside it,
    /// numbered from 1, before it gets its name.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub async fn delete_unfinished(&self, key: &BlobKey) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        for number in 1_u32.. {
            let part = folder.join(format!("{key}#{number}"));
            match tokio::fs::remove_file(&part).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                removed => {
                    removed.map_err(|error| StoreError::Blobs(format!("{}: {error}", part.display())))?
                }
            }
        }
        Ok(())
    }

    /// Removes what is under a key, if anything is.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), StoreError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A blob that comes piece by piece. Nobody sees anything of it before [`finish`](Self::finish) has returned; one that is
/// dropped before leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    upload: Box<dyn MultipartUpload>,
    held: BytesMut,
}

impl BlobWriter {
    /// Appends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PART { self.put_held().await } else { Ok(()) }
    }

    /// Makes it visible, whole; under `Durability::Power` it is on the disk when this returns.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if !self.held.is_empty() {
            self.put_held().await?;
        }
        self.upload.complete().await?;
        Ok(())
    }

    async fn put_held(&mut self) -> Result<(), StoreError> {
        let part = self.held.split().freeze();
        Ok(self.upload.put_part(part.into()).await?)
    }
}

fn path(key: &BlobKey) -> object_store::path::Path {
    object_store::path::Path::from(key.0.as_str())
}
