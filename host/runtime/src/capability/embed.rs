//! `hardpoint:plugin/embed`: the embedder that the knowledge base is pinned to.

use std::sync::Arc;

use crate::bindings::embed::{self as wit, Error, Host};
use crate::knowledge::{Embedder, KnowledgeError, Purpose};
use crate::sandbox::CallState;

/// The most texts that are embedded at once.
const TEXTS: usize = 256;
/// The longest of them, in bytes. Embedders read the beginning of a long one.
const TEXT_BYTES: usize = 64 << 10;

impl Host for CallState {
    async fn vectors(
        &mut self,
        texts: Vec<String>,
        purpose: wit::Purpose,
    ) -> wasmtime::Result<Result<Vec<Vec<f32>>, Error>> {
        if texts.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let embedder = match self.ask_embedder(&texts) {
            Ok(embedder) => embedder,
            Err(error) => return Ok(Err(error)),
        };
        let purpose = match purpose {
            wit::Purpose::Query => Purpose::Query,
            wit::Purpose::Passage => Purpose::Passage,
        };
        let count = texts.len();
        let vectors = embedder.vectors(texts, purpose).await.and_then(|vectors| each(vectors, count));
        Ok(self.errand()?.note(vectors).map_err(Error::from))
    }
}

impl CallState {
    /// The embedder, where the call may have these texts embedded.
    fn ask_embedder(&mut self, texts: &[String]) -> Result<Arc<dyn Embedder>, Error> {
        if !self.binding.permissions().embed {
            return Err(Error::Denied(self.how_to_allow("embed", self.binding.generation.manifest().embed)));
        }
        if texts.len() > TEXTS || texts.iter().any(|text| text.len() > TEXT_BYTES) {
            let reason = format!("at most {TEXTS} texts at once, each of at most {} KiB", TEXT_BYTES >> 10);
            return Err(Error::Denied(reason));
        }
        let Some(errand) = &mut self.knowledge else {
            return Err(Error::Unavailable("this call is for no knowledge base".into()));
        };
        let Some(embedder) = errand.embedder.clone() else { return Err(Error::NotLoaded) };
        match errand.ask_embedder(texts.len()) {
            Ok(()) => Ok(embedder),
            Err(left) => Err(Error::Denied(format!("too many texts in one call: {left} are left"))),
        }
    }
}

/// What comes for a list has as many members.
fn each(vectors: Vec<Vec<f32>>, count: usize) -> Result<Vec<Vec<f32>>, KnowledgeError> {
    if vectors.len() == count {
        return Ok(vectors);
    }
    let reason = format!("the embedder gave {} vectors for {count} texts", vectors.len());
    Err(KnowledgeError::Unavailable(reason))
}

impl From<KnowledgeError> for Error {
    fn from(error: KnowledgeError) -> Self {
        let (KnowledgeError::Unavailable(reason)
        | KnowledgeError::TooLarge(reason)
        | KnowledgeError::Invalid(reason)) = error;
        Self::Unavailable(reason)
    }
}
