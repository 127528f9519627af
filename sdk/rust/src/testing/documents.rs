use std::cell::RefCell;

use crate::retriever::{Chunk, Document, DocumentError, Page, Sink};

/// A document in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDocument {
    /// Its name.
    pub filename: String,
    /// As the client declared it.
    pub media_type: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Document for MemoryDocument {
    fn id(&self) -> String {
        "doc-test".to_string()
    }

    fn filename(&self) -> String {
        self.filename.clone()
    }

    fn media_type(&self) -> Option<String> {
        self.media_type.clone()
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, DocumentError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let end = start.saturating_add(length as usize).min(self.bytes.len());
        Ok(self.bytes[start..end].to_vec())
    }
}

/// A sink that keeps what it is given and refuses what refers to nothing.
#[derive(Debug, Default)]
pub struct MemorySink {
    title: RefCell<Option<String>>,
    pages: RefCell<Vec<Page>>,
    chunks: RefCell<Vec<Chunk>>,
}

impl MemorySink {
    /// The title it was given last.
    pub fn document_title(&self) -> Option<String> {
        self.title.borrow().clone()
    }

    /// The pages, in order.
    pub fn pages(&self) -> Vec<Page> {
        self.pages.borrow().clone()
    }

    /// The chunks, in order.
    pub fn all_chunks(&self) -> Vec<Chunk> {
        self.chunks.borrow().clone()
    }
}

impl Sink for MemorySink {
    fn title(&self, title: &str) -> Result<(), DocumentError> {
        *self.title.borrow_mut() = Some(title.to_string());
        Ok(())
    }

    fn page(&self, page: &Page) -> Result<(), DocumentError> {
        if self.pages.borrow().last().is_some_and(|last| last.number >= page.number) {
            return Err(DocumentError::Invalid("pages must ascend".to_string()));
        }
        self.pages.borrow_mut().push(page.clone());
        Ok(())
    }

    fn chunks(&self, chunks: &[Chunk]) -> Result<(), DocumentError> {
        let has = |number| self.pages.borrow().iter().any(|page| page.number == number);
        for chunk in chunks {
            if !has(chunk.first_page) || !has(chunk.last_page) {
                return Err(DocumentError::Invalid("a chunk is on a page that is not there".to_string()));
            }
        }
        self.chunks.borrow_mut().extend_from_slice(chunks);
        Ok(())
    }

    fn progress(&self, _: u32, _: u32) {}
}
