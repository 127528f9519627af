//! A document of the host's into pages and passages: what retrievers have in common. Nothing else here knows of a
//! host.

use std::cell::RefCell;

use hardpoint_sdk::Failure;
use hardpoint_sdk::retriever::{self, Document, DocumentError, Sink};
use hardpoint_sdk::serde_json::json;

use crate::chunks::{Chunk, Chunker, Sizes};
use crate::{Error, Page, Receiver, Source, Stopped, read};

/// What is read at once: parsers ask for a few bytes here and there.
const PIECE: u32 = 256 << 10;
/// Passages that are handed over at once.
const BATCH: usize = 64;

/// Reads a document: pages go out as they are read, passages in batches of at most 64 behind them.
///
/// # Errors
/// `invalid-request` if it cannot be read, and why; what the document or the sink failed with.
pub fn ingest(document: &dyn Document, into: &dyn Sink, sizes: Sizes) -> Result<(), Failure> {
    let filename = document.filename();
    let media_type = document.media_type();
    let source =
        Bytes { document, size: document.size(), piece: RefCell::default(), failure: RefCell::default() };
    let mut passages = Passages {
        into,
        chunker: Chunker::new(sizes),
        title: stem(&filename),
        batch: Vec::new(),
        failure: None,
    };
    match read(&source, &filename, media_type.as_deref(), &mut passages) {
        Ok(_) => Ok(passages.finish()?),
        Err(Error::Unreadable(reason)) => Err(Failure::invalid_request(reason.to_string())),
        Err(Error::Stopped) => {
            let failure = source.failure.take().or(passages.failure);
            Err(failure.map_or_else(|| Failure::upstream("the document could not be read"), Failure::from))
        }
    }
}

/// The name without its extension: what a document is called that has no title.
fn stem(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or(filename);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.replace(['_', '-'], " ").trim().to_string()
}

/// A document of the host's, with the piece of it that was read last.
struct Bytes<'d> {
    document: &'d dyn Document,
    size: u64,
    piece: RefCell<(u64, Vec<u8>)>,
    failure: RefCell<Option<DocumentError>>,
}

impl Source for Bytes<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Stopped> {
        let mut piece = self.piece.borrow_mut();
        let has = |piece: &(u64, Vec<u8>)| (piece.0..piece.0 + piece.1.len() as u64).contains(&offset);
        if !has(&piece) {
            if offset >= self.size {
                return Ok(0);
            }
            let bytes = self.document.read(offset, PIECE).map_err(|error| {
                *self.failure.borrow_mut() = Some(error);
                Stopped
            })?;
            *piece = (offset, bytes);
        }
        let from = usize::try_from(offset - piece.0).unwrap_or(usize::MAX);
        let rest = piece.1.get(from..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

struct Passages<'s> {
    into: &'s dyn Sink,
    chunker: Chunker,
    /// What stands before each passage where it is embedded.
    title: String,
    batch: Vec<retriever::Chunk>,
    failure: Option<DocumentError>,
}

impl Passages<'_> {
    fn add(&mut self, chunks: Vec<Chunk>) -> Result<(), DocumentError> {
        for chunk in chunks {
            self.batch.push(told(chunk, &self.title));
            if self.batch.len() >= BATCH {
                self.into.chunks(&std::mem::take(&mut self.batch))?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), DocumentError> {
        let chunker = std::mem::replace(&mut self.chunker, Chunker::new(Sizes::default()));
        self.add(chunker.finish())?;
        if self.batch.is_empty() { Ok(()) } else { self.into.chunks(&self.batch) }
    }

    fn kept(&mut self, result: Result<(), DocumentError>) -> Result<(), Stopped> {
        result.map_err(|error| {
            self.failure = Some(error);
            Stopped
        })
    }
}

impl Receiver for Passages<'_> {
    fn title(&mut self, title: &str) -> Result<(), Stopped> {
        self.title = title.to_string();
        let result = self.into.title(title);
        self.kept(result)
    }

    fn page(&mut self, page: Page) -> Result<(), Stopped> {
        let chunks = self.chunker.page(&page);
        let told = retriever::Page { number: page.number, title: page.title, text: page.text };
        let result = self.into.page(&told).and_then(|()| self.add(chunks));
        self.kept(result)
    }

    fn progress(&mut self, done: u32, total: u32) {
        self.into.progress(done, total);
    }
}

/// A passage as the host knows it. Embedded are the title and the headings above it too: `It is 30 days.` says
/// nothing without them.
fn told(chunk: Chunk, title: &str) -> retriever::Chunk {
    let above: Vec<&str> = [title].into_iter().chain(chunk.headings.iter().map(String::as_str)).collect();
    let mut prefix = String::new();
    for (index, heading) in above.iter().enumerate() {
        // A document often has its title as its first heading.
        if heading.is_empty()
            || above[..index].contains(heading)
            || chunk.text.lines().next() == Some(heading)
        {
            continue;
        }
        let room = 160_usize.saturating_sub(prefix.len());
        prefix.extend(heading.chars().take(room).chain(['\n']));
    }
    let embedded_text = (!prefix.is_empty()).then(|| format!("{prefix}\n{}", chunk.text));
    let metadata = (!chunk.headings.is_empty()).then(|| json!({ "headings": chunk.headings }).to_string());
    retriever::Chunk {
        ordinal: chunk.ordinal,
        text: chunk.text,
        embedded_text,
        first_page: chunk.first_page,
        last_page: chunk.last_page,
        start: chunk.start,
        end: chunk.end,
        metadata,
    }
}
