//! A document's passages into the collection, as the host takes them.

use std::cell::{Cell, RefCell};

use hardpoint_sdk::embed::{self, Purpose};
use hardpoint_sdk::retriever::{Chunk, Document, DocumentError, Page, Sink};
use hardpoint_sdk::{Failure, log};

use crate::engine::Engine;
use crate::filter;
use crate::point::Payload;
use crate::settings::Settings;

/// Bytes of a request, about: half of what Qdrant takes (`service.max_request_size_mb`). A document has a hundred
/// requests.
const REQUEST: usize = 16 << 20;

/// Reads a document into the host's sink and into the collection. Points overwrite those of an earlier reading; what
/// that had more goes last, so that the document is there all the time.
pub(crate) fn ingest(document: &dyn Document, into: &dyn Sink, settings: &Settings) -> Result<(), Failure> {
    let both = Both::new(document.id(), into, settings);
    let read = reading::ingest(document, &both, settings.sizes());
    // The reader knows only that it was stopped.
    if let Some(failure) = both.failure.take() {
        return Err(failure);
    }
    read?;
    both.finish()
}

/// The host's sink, and the collection behind it.
struct Both<'a> {
    document_id: String,
    host: &'a dyn Sink,
    settings: &'a Settings,
    engine: Engine<'a>,
    /// Points that were not sent yet.
    batch: RefCell<Batch>,
    /// Points of this document, sent or not.
    points: Cell<u32>,
    /// Bytes of a request that are taken.
    most: Cell<usize>,
    is_prepared: Cell<bool>,
    /// What went wrong with Qdrant or the embedder.
    failure: RefCell<Option<Failure>>,
}

#[derive(Default)]
struct Batch {
    /// Each as JSON.
    points: Vec<Vec<u8>>,
    bytes: usize,
    /// Of the last vector.
    dimensions: usize,
}

impl<'a> Both<'a> {
    fn new(document_id: String, host: &'a dyn Sink, settings: &'a Settings) -> Self {
        Self {
            document_id,
            host,
            settings,
            engine: Engine::new(settings),
            batch: RefCell::default(),
            points: Cell::new(0),
            most: Cell::new(REQUEST),
            is_prepared: Cell::new(false),
            failure: RefCell::default(),
        }
    }

    fn add(&self, chunks: &[Chunk]) -> Result<(), Failure> {
        let texts: Vec<String> = chunks.iter().map(embedded).collect();
        let vectors = match embed::vectors(&texts, Purpose::Passage) {
            Err(embed::Error::NotLoaded) => return Ok(()),
            vectors => vectors?,
        };
        if vectors.len() != chunks.len() {
            return Err(Failure::protocol("the embedder gave not one vector for each text"));
        }
        for (chunk, vector) in chunks.iter().zip(&vectors) {
            let point =
                Payload::new(&self.settings.knowledge_base, &self.document_id, chunk).point(vector)?;
            let mut batch = self.batch.borrow_mut();
            if batch.bytes + point.len() > self.most.get() {
                let full = std::mem::take(&mut *batch);
                drop(batch);
                self.send(&full)?;
                batch = self.batch.borrow_mut();
            }
            batch.dimensions = vector.len();
            batch.bytes += point.len();
            batch.points.push(point);
            self.points.set(self.points.get() + 1);
        }
        Ok(())
    }

    fn send(&self, batch: &Batch) -> Result<(), Failure> {
        if batch.points.is_empty() {
            return Ok(());
        }
        if !self.is_prepared.replace(true) {
            self.engine.prepare(batch.dimensions)?;
        }
        self.upsert(&batch.points)
    }

    /// Something between may take less than Qdrant does: that is met once, and remembered.
    fn upsert(&self, points: &[Vec<u8>]) -> Result<(), Failure> {
        let body = [b"{\"points\":[".as_slice(), &points.join(&b','), b"]}"].concat();
        let bytes = body.len();
        match self.engine.upsert(body) {
            Err(refused) if refused.is_too_large() && points.len() > 1 => {
                self.most.set(self.most.get().min(bytes / 2));
                let (first, second) = points.split_at(points.len() / 2);
                self.upsert(first)?;
                self.upsert(second)
            }
            done => Ok(done?),
        }
    }

    /// Sends what is left, and deletes what an earlier reading had more.
    fn finish(self) -> Result<(), Failure> {
        self.send(&self.batch.take())?;
        let points = self.points.get();
        if points == 0 {
            log::warn("no passages went to Qdrant: the document has none, or the host has no embedder");
        }
        self.engine.delete(&filter::rest(&self.settings.knowledge_base, &self.document_id, points))
    }
}

impl Sink for Both<'_> {
    fn title(&self, title: &str) -> Result<(), DocumentError> {
        self.host.title(title)
    }

    fn page(&self, page: &Page) -> Result<(), DocumentError> {
        self.host.page(page)
    }

    fn chunks(&self, chunks: &[Chunk]) -> Result<(), DocumentError> {
        self.host.chunks(chunks)?;
        self.add(chunks).map_err(|failure| {
            let message = failure.message.clone();
            *self.failure.borrow_mut() = Some(failure);
            DocumentError::Unavailable(message)
        })
    }

    fn progress(&self, done: u32, total: u32) {
        self.host.progress(done, total);
    }
}

fn embedded(chunk: &Chunk) -> String {
    chunk.embedded_text.clone().unwrap_or_else(|| chunk.text.clone())
}
