//! `hardpoint:plugin/documents`: the document that an ingestion reads, and the sink that it writes to. They come
//! with the call and need no grant.

use wasmtime::component::Resource;

use crate::bindings::documents::{self as wit, Error, Host, HostDocument, HostSink};
use crate::bindings::{DocumentHandle, SinkHandle};
use crate::knowledge::{Chunk, Document, Ingestion, KnowledgeCall, KnowledgeError, Page};
use crate::sandbox::CallState;

/// The most that is read at once, in bytes.
const READ_BYTES: u32 = 16 << 20;

/// Lent to the guest for the time of an ingestion: there is one of each, so nothing tells them apart.
pub(crate) fn handles() -> (Resource<DocumentHandle>, Resource<SinkHandle>) {
    (Resource::new_borrow(0), Resource::new_borrow(0))
}

impl Host for CallState {}

impl HostDocument for CallState {
    async fn id(&mut self, _: Resource<DocumentHandle>) -> wasmtime::Result<String> {
        Ok(self.document()?.id.clone())
    }

    async fn filename(&mut self, _: Resource<DocumentHandle>) -> wasmtime::Result<String> {
        Ok(self.document()?.filename.clone())
    }

    async fn media_type(&mut self, _: Resource<DocumentHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.document()?.media_type.clone())
    }

    async fn size(&mut self, _: Resource<DocumentHandle>) -> wasmtime::Result<u64> {
        Ok(self.document()?.size)
    }

    async fn read(
        &mut self,
        _: Resource<DocumentHandle>,
        offset: u64,
        length: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let document = self.document()?.clone();
        let left = document.size.saturating_sub(offset);
        let length = length.min(u32::try_from(left).unwrap_or(u32::MAX));
        if length == 0 {
            return Ok(Ok(Vec::new()));
        }
        if length > READ_BYTES {
            // Fewer than asked for would look like the end.
            let most = READ_BYTES >> 20;
            return Ok(Err(Error::TooLarge(format!("at most {most} MiB are read at once: read in pieces"))));
        }
        let read = document.content.read(offset, length).await;
        // Some guests take an error for the end.
        Ok(self.errand()?.refuse(read).map(Vec::from).map_err(Error::from))
    }

    async fn drop(&mut self, _: Resource<DocumentHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostSink for CallState {
    async fn title(&mut self, _: Resource<SinkHandle>, title: String) -> wasmtime::Result<Result<(), Error>> {
        let ingestion = self.ingestion()?;
        let written = match ingestion.draft.title(title) {
            Ok(title) => ingestion.sink.title(title).await,
            Err(error) => Err(error),
        };
        self.written(written)
    }

    async fn page(
        &mut self,
        _: Resource<SinkHandle>,
        page: wit::Page,
    ) -> wasmtime::Result<Result<(), Error>> {
        let ingestion = self.ingestion()?;
        let page = Page { number: page.number, title: page.title, text: page.text };
        let written = match ingestion.draft.page(page) {
            Ok(page) => ingestion.sink.page(page).await,
            Err(error) => Err(error),
        };
        self.written(written)
    }

    async fn chunks(
        &mut self,
        _: Resource<SinkHandle>,
        chunks: Vec<wit::Chunk>,
    ) -> wasmtime::Result<Result<(), Error>> {
        if chunks.is_empty() {
            return Ok(Ok(()));
        }
        let ingestion = self.ingestion()?;
        let written = match ingestion.draft.chunks(chunks.into_iter().map(chunk).collect()) {
            Ok(chunks) => ingestion.sink.chunks(chunks).await,
            Err(error) => Err(error),
        };
        self.written(written)
    }

    async fn progress(&mut self, _: Resource<SinkHandle>, done: u32, total: u32) -> wasmtime::Result<()> {
        self.ingestion()?.sink.progress(done.min(total), total);
        Ok(())
    }

    async fn drop(&mut self, _: Resource<SinkHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl CallState {
    /// What a retriever's call is for.
    pub(super) fn errand(&mut self) -> wasmtime::Result<&mut KnowledgeCall> {
        self.knowledge.as_mut().ok_or_else(|| wasmtime::format_err!("this call is for no knowledge base"))
    }

    fn ingestion(&mut self) -> wasmtime::Result<&mut Ingestion> {
        let none = || wasmtime::format_err!("this call has no document and no sink");
        self.errand()?.ingestion.as_mut().ok_or_else(none)
    }

    fn document(&mut self) -> wasmtime::Result<&Document> {
        Ok(&self.ingestion()?.document)
    }

    fn written(&mut self, outcome: Result<(), KnowledgeError>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.errand()?.refuse(outcome).map_err(Error::from))
    }
}

fn chunk(chunk: wit::Chunk) -> (Chunk, Option<String>) {
    let own = Chunk {
        ordinal: chunk.ordinal,
        text: chunk.text,
        embedded_text: chunk.embedded_text,
        first_page: chunk.first_page,
        last_page: chunk.last_page,
        start: chunk.start,
        end: chunk.end,
        metadata: None,
    };
    (own, chunk.metadata)
}

impl From<KnowledgeError> for Error {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Unavailable(reason) => Self::Unavailable(reason),
            KnowledgeError::TooLarge(reason) => Self::TooLarge(reason),
            KnowledgeError::Invalid(reason) => Self::Invalid(reason),
        }
    }
}
