//! A version's bytes on this host: in its blob store or, where another host published it, in a file of its plugins
//! folder, which then fills the blob store.

use bytes::Bytes;
use hardpoint_runtime::digest as digest_of;
use hardpoint_store::blobs::{BlobKey, Found};
use hardpoint_store::plugins::Plugin;
use hardpoint_store::{Blobs, StoreError};
use tokio::time::Instant;

use super::Keeper;
use super::decide::Loaded;
use super::folder::{Entry, Folder, Signature};
use super::scan::held;
use crate::config::Config;

/// Why a version is not loaded.
pub(super) enum Unloaded {
    /// Its bytes are not here.
    Missing(Lack),
    /// It cannot be.
    Failed(String),
}

impl Unloaded {
    pub(super) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// That a version's bytes are not here, and what was here instead.
#[derive(Clone, Debug)]
pub struct Lack {
    /// For people.
    pub reason: String,
    /// Whether the blob store has something under their digest that is of no use: other bytes, or none to be read.
    is_kept: bool,
    /// The file that seemed to have them.
    file: Option<(String, Signature)>,
    /// When they were looked for.
    since: Instant,
}

/// Where the bytes of one version may be.
pub struct Whereabouts {
    blobs: Blobs,
    /// How many they are.
    size: u64,
    /// A file of the folder that has them.
    file: Option<(Folder, String, Signature)>,
    /// The largest component, in bytes.
    limit: u64,
    /// Whether the file fills the blob store.
    fills: bool,
    /// What is said where they are nowhere.
    missing: String,
}

/// What is said of a version whose bytes a host does not have.
pub fn missing(config: &Config) -> String {
    format!(
        "its bytes are not on this host: copy its file to {}, or let the hosts share one folder for bytes \
         (`storage.blobs`)",
        config.plugins_folder().display()
    )
}

impl Keeper {
    pub(super) fn whereabouts(&self, version: &Plugin) -> Whereabouts {
        let file = self.files.holding(&version.digest);
        Whereabouts {
            blobs: self.app.store.blobs().clone(),
            size: version.size,
            file: file.map(|(name, signature)| (self.folder.clone(), name.to_owned(), signature)),
            limit: self.app.config.plugins.max_component_bytes.0,
            fills: true,
            missing: missing(&self.app.config),
        }
    }

    /// Lets what waits for bytes be loaded where they may be here by now; whether there is any.
    pub(super) async fn note_arrivals(&mut self) -> bool {
        let mut arrived = Vec::new();
        for (digest, loaded) in &self.loaded {
            if let Loaded::Missing(lack) = loaded
                && self.is_worth_a_look(digest, lack).await
            {
                arrived.push(digest.clone());
            }
        }
        self.loaded.retain(|digest, _| !arrived.contains(digest));
        !arrived.is_empty()
    }

    /// Something came that was not tried. What was tried and of no use is tried again as seldom as the folder is
    /// looked through: a disk that errs may err for long.
    async fn is_worth_a_look(&self, digest: &str, lack: &Lack) -> bool {
        let file = self.files.holding(digest).map(|(name, signature)| (name.to_owned(), signature));
        if file.is_some() && file != lack.file {
            return true;
        }
        if (lack.is_kept || lack.file.is_some())
            && lack.since.elapsed() >= self.app.config.plugins.scan_interval.0
        {
            return true;
        }
        let Ok(key) = BlobKey::plugin(digest) else { return false };
        !lack.is_kept && self.app.store.blobs().exists(&key).await.unwrap_or(false)
    }
}

impl Whereabouts {
    /// For those who only look: nothing is filled.
    pub fn of(config: &Config, blobs: &Blobs, version: &Plugin) -> Self {
        let path = config.plugins_folder();
        let file = version.file_name.as_deref().filter(|_| path.is_dir()).and_then(|name| {
            let folder = Folder::at(&path).ok()?;
            match folder.entry(name) {
                Ok(Entry::File(signature)) => Some((folder, name.to_owned(), signature)),
                _ => None,
            }
        });
        let limit = config.plugins.max_component_bytes.0;
        let (blobs, missing) = (blobs.clone(), missing(config));
        Self { blobs, size: version.size, file, limit, fills: false, missing }
    }

    /// The bytes with this digest, and no others: what lies under it in the blob store may have been cut short, and
    /// would have the grants of the version that it is not.
    ///
    /// # Errors
    /// They are nowhere, or cannot be read.
    pub async fn bytes(self, digest: &str) -> Result<Bytes, Lack> {
        let (kept, reason) = self.kept(digest).await;
        if let Kept::Whole(bytes) = kept {
            return Ok(bytes);
        }
        let lack =
            |file| Lack { reason, is_kept: matches!(kept, Kept::Useless), file, since: Instant::now() };
        let Some((folder, name, signature)) = self.file else { return Err(lack(None)) };
        let Some((_, bytes)) = held(folder, name.clone(), signature, self.limit, digest).await else {
            return Err(lack(Some((name, signature))));
        };
        if self.fills {
            fill(&self.blobs, digest, &bytes).await;
        }
        Ok(bytes)
    }

    /// What the blob store has, and what is to be said if that is all.
    async fn kept(&self, digest: &str) -> (Kept, String) {
        match self.read(digest).await {
            Ok(Found::Bytes(bytes)) if is_whole(&bytes, digest).await => (Kept::Whole(bytes), String::new()),
            Ok(Found::Bytes(_) | Found::OtherSize) => {
                let other = "the folder for bytes has others under its digest".to_owned();
                (Kept::Useless, format!("{other}; {}", self.missing))
            }
            Ok(Found::Nothing) => (Kept::Nothing, self.missing.clone()),
            Err(error) => (Kept::Useless, format!("its bytes cannot be read: {error}")),
        }
    }

    /// What is not as large as the version is not it, and is not read however large it is.
    async fn read(&self, digest: &str) -> Result<Found, StoreError> {
        self.blobs.get(&BlobKey::plugin(digest)?, self.size).await
    }
}

/// What the blob store has under a digest.
enum Kept {
    Whole(Bytes),
    /// Other bytes, or some that cannot be read.
    Useless,
    Nothing,
}

async fn is_whole(bytes: &Bytes, digest: &str) -> bool {
    let bytes = bytes.clone();
    let found = tokio::task::spawn_blocking(move || digest_of(&bytes)).await;
    found.is_ok_and(|found| found == digest)
}

/// What a file has serves all the same; in the blob store it is there for the next time too.
async fn fill(blobs: &Blobs, digest: &str, bytes: &Bytes) {
    let Ok(key) = BlobKey::plugin(digest) else { return };
    if let Err(error) = blobs.put(&key, bytes.clone()).await {
        tracing::warn!(%error, digest, "the bytes of a plugin's file are not kept");
    }
}
