//! The embedder of this host, as retrievers and workers ask it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, FutureExt};
use hardpoint_domain::knowledge::settings;
use hardpoint_index::embedder::Embedder as Encoder;
use hardpoint_runtime::{Embedder, KnowledgeError, Purpose};

use super::super::library::blocking;
use super::of_library;

/// all-MiniLM-L6-v2, or whatever model file was loaded. Clones share it.
#[derive(Clone)]
pub struct LocalEmbedder(Arc<Encoder>);

impl LocalEmbedder {
    /// Of a loaded encoder.
    pub fn new(encoder: Encoder) -> Self {
        Self(Arc::new(encoder))
    }

    /// What knowledge bases are pinned to that it makes vectors for.
    pub fn pin(&self) -> settings::Embedder {
        let pin = self.0.pin();
        settings::Embedder { model: pin.model, dimensions: u32::try_from(pin.dimension).unwrap_or_default() }
    }

    /// A vector for each text, in order. Who stops waiting stops the work after the text that is under way.
    ///
    /// # Errors
    /// If this machine cannot.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, KnowledgeError> {
        let waiting = Waiting(Arc::new(AtomicBool::new(true)));
        let (encoder, goes_on) = (Arc::clone(&self.0), Arc::clone(&waiting.0));
        let embedded = blocking(move || encoder.embed(&texts, &|| goes_on.load(Ordering::Relaxed))).await;
        drop(waiting);
        embedded.map_err(of_library)
    }
}

/// Tells who works that nobody waits any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Embedder for LocalEmbedder {
    /// Questions and passages are embedded alike.
    fn vectors(
        &self,
        texts: Vec<String>,
        _: Purpose,
    ) -> BoxFuture<'_, Result<Vec<Vec<f32>>, KnowledgeError>> {
        self.embed(texts).boxed()
    }
}
