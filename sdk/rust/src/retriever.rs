//! Retrievers: documents into a knowledge base, and passages out of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::retriever::exports::hardpoint::plugin::retriever as wit;
use crate::bindings::shared::hardpoint::plugin::documents;
use crate::failure::Failure;
use crate::index::Ranked;
use crate::settings;
pub use documents::{Chunk, Error as DocumentError, Page};
pub use wit::{Filter, Hit, SearchRequest};

/// A plugin of kind `retriever`.
pub trait Retriever: 'static {
    /// The binding's settings; [`NoSettings`](crate::NoSettings) where there are none.
    type Settings: DeserializeOwned;

    /// Reads one document.
    ///
    /// # Errors
    /// With `invalid-request` if it cannot be read, and why.
    fn ingest(document: &dyn Document, into: &dyn Sink, settings: Self::Settings) -> Result<(), Failure>;

    /// Finds passages, best first.
    ///
    /// # Errors
    /// If the search could not be made; finding nothing is no error.
    fn search(request: SearchRequest, settings: Self::Settings) -> Result<Vec<Hit>, Failure>;

    /// Forgets documents. Nothing to do for retrievers whose chunks the host holds.
    ///
    /// # Errors
    /// If they could not be forgotten; unknown ids are no error.
    fn remove(document_ids: Vec<String>, settings: Self::Settings) -> Result<(), Failure> {
        let _ = (document_ids, settings);
        Ok(())
    }
}

/// An uploaded document.
pub trait Document {
    /// The document's id.
    fn id(&self) -> String;
    /// As the client named it.
    fn filename(&self) -> String;
    /// As the client declared it.
    fn media_type(&self) -> Option<String>;
    /// In bytes.
    fn size(&self) -> u64;
    /// At most `length` bytes from `offset`; fewer at the end, none past it.
    ///
    /// # Errors
    /// If the host's store cannot be reached.
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, DocumentError>;
}

/// Where an ingestion writes. Each method fails if the knowledge base takes no more.
pub trait Sink {
    /// The document's own title.
    ///
    /// # Errors
    /// As all of them: too much, out of order, or the store cannot be reached.
    fn title(&self, title: &str) -> Result<(), DocumentError>;
    /// A page, before the chunks that refer to it.
    ///
    /// # Errors
    /// See [`Sink::title`].
    fn page(&self, page: &Page) -> Result<(), DocumentError>;
    /// Chunks, in order.
    ///
    /// # Errors
    /// See [`Sink::title`].
    fn chunks(&self, chunks: &[Chunk]) -> Result<(), DocumentError>;
    /// Progress for people: `done` of `total` units.
    fn progress(&self, done: u32, total: u32);
}

impl Chunk {
    /// The whole text of a page as one chunk.
    pub fn of_page(ordinal: u32, page: u32, text: impl Into<String>) -> Self {
        let text = text.into();
        let end = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        Self {
            ordinal,
            text,
            embedded_text: None,
            first_page: page,
            last_page: page,
            start: 0,
            end,
            metadata: None,
        }
    }
}

/// A hit of the host's full text alone: what it is ordered by is the BM25 score.
impl From<Ranked> for Hit {
    fn from(ranked: Ranked) -> Self {
        Self {
            chunk_id: ranked.chunk_id,
            document_id: ranked.document_id,
            cosine: None,
            fused: ranked.score,
            text: None,
            metadata: None,
        }
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable(message) => Self::upstream(message),
            DocumentError::TooLarge(message) | DocumentError::Invalid(message) => {
                Self::invalid_request(message)
            }
        }
    }
}

impl Document for documents::Document {
    fn id(&self) -> String {
        self.id()
    }

    fn filename(&self) -> String {
        self.filename()
    }

    fn media_type(&self) -> Option<String> {
        self.media_type()
    }

    fn size(&self) -> u64 {
        self.size()
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, DocumentError> {
        self.read(offset, length)
    }
}

impl Sink for documents::Sink {
    fn title(&self, title: &str) -> Result<(), DocumentError> {
        self.title(title)
    }

    fn page(&self, page: &Page) -> Result<(), DocumentError> {
        self.page(page)
    }

    fn chunks(&self, chunks: &[Chunk]) -> Result<(), DocumentError> {
        self.chunks(chunks)
    }

    fn progress(&self, done: u32, total: u32) {
        self.progress(done, total);
    }
}

/// What [`export!`](crate::export) exports.
#[doc(hidden)]
pub struct Guest<R>(PhantomData<R>);

impl<R: Retriever> wit::Guest for Guest<R> {
    fn ingest(document: &wit::Document, into: &wit::Sink, settings: String) -> Result<(), Failure> {
        R::ingest(document, into, settings::parse(&settings)?)
    }

    fn search(request: SearchRequest, settings: String) -> Result<Vec<Hit>, Failure> {
        R::search(request, settings::parse(&settings)?)
    }

    fn remove(document_ids: Vec<String>, settings: String) -> Result<(), Failure> {
        R::remove(document_ids, settings::parse(&settings)?)
    }
}
