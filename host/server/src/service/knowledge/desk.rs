//! What this host has for knowledge bases: its search data, its embedder, and a bell for those who work on documents.

use std::path::Path;

use hardpoint_domain::knowledge::settings;
use hardpoint_index::embedder::{Embedder, model};
use hardpoint_store::Store;
use tokio::sync::watch;

use super::bound::LocalEmbedder;
use super::library::{Library, LibraryError, blocking};
use super::resting::Resting;
use crate::config::Config;

/// Shared by requests and workers.
pub struct Knowledge {
    /// The search data.
    pub library: Library,
    /// Models of `/models` that are given time.
    pub resting: Resting,
    embedder: Option<LocalEmbedder>,
    bell: watch::Sender<u64>,
}

impl Knowledge {
    /// Opens the search data in the data folder, and looks at the model file where there is one: it is loaded with the
    /// first text.
    ///
    /// # Errors
    /// If either is there and cannot be used.
    pub async fn open(store: &Store, config: &Config) -> Result<Self, LibraryError> {
        let library = Library::open(store, &config.server.data.join("index")).await?;
        let embedder = embedder(config).await?;
        Ok(Self { library, resting: Resting::default(), embedder, bell: watch::Sender::new(0) })
    }

    /// Tells who works on documents, or follows them, that something is to be done or was done.
    pub fn ring(&self) {
        self.bell.send_modify(|rung| *rung += 1);
    }

    /// Changes whenever the bell is rung.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// What new knowledge bases are pinned to; none where no model is loaded.
    pub fn local_embedder(&self) -> Option<settings::Embedder> {
        self.embedder.as_ref().map(LocalEmbedder::pin)
    }

    /// The model that this host has loaded, where this is pinned to it.
    pub fn embedder_for(&self, pinned: &settings::Embedder) -> Option<&LocalEmbedder> {
        self.embedder.as_ref().filter(|embedder| embedder.pin() == *pinned)
    }
}

async fn embedder(config: &Config) -> Result<Option<LocalEmbedder>, LibraryError> {
    if !config.knowledge.embed {
        return Ok(None);
    }
    let usual = || model::folder().map(|folder| folder.join(model::FILE)).filter(|file| file.exists());
    let Some(file) = config.knowledge.model.clone().or_else(usual) else {
        tracing::warn!(
            "no embedding model is loaded (knowledge.model): new knowledge bases are searched by words alone"
        );
        return Ok(None);
    };
    let lanes = config.knowledge.at_once + 1;
    let opened = blocking(move || load(&file, lanes)).await?;
    tracing::info!(model = opened.pin().model, "there is an embedding model");
    Ok(Some(opened))
}

/// One lane more than documents are embedded at once: a question does not wait for them.
fn load(file: &Path, lanes: usize) -> Result<LocalEmbedder, hardpoint_index::IndexError> {
    Embedder::open(file, lanes).map(LocalEmbedder::new)
}
