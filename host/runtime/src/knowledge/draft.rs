//! What an ingestion may write: in order, on pages that are there, and within bounds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Chunk, Ingested, KnowledgeError, Page};

/// The longest title or heading, in bytes.
const TITLE_BYTES: usize = 4 << 10;
/// The longest text of a page, in bytes.
const PAGE_BYTES: usize = 16 << 20;
/// The longest text of a chunk, in bytes; of what is embedded in its place too.
const CHUNK_BYTES: usize = 64 << 10;
/// The largest metadata of a chunk, in bytes.
const METADATA_BYTES: usize = 16 << 10;
/// The most pages of a document.
const PAGES: u32 = 100_000;
/// The most chunks of a document.
pub(super) const CHUNKS: u32 = 250_000;
/// The most text of a document, in bytes: of its pages and its chunks together.
const TEXT_BYTES: u64 = 1 << 30;

/// What was written so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    title: Option<String>,
    /// How many characters each page has.
    pages: BTreeMap<u32, u32>,
    chunks: u32,
    bytes: u64,
}

impl Draft {
    /// What was written.
    pub(crate) fn finish(self) -> Ingested {
        Ingested { title: self.title, pages: count(self.pages.len()), chunks: self.chunks }
    }

    pub(crate) fn title(&mut self, title: String) -> Result<String, KnowledgeError> {
        at_most(title.len(), TITLE_BYTES, "a title")?;
        let title = without_nul(title);
        self.title = Some(title.clone());
        Ok(title)
    }

    pub(crate) fn page(&mut self, page: Page) -> Result<Page, KnowledgeError> {
        let last = self.pages.last_key_value().map_or(0, |(number, _)| *number);
        if page.number <= last {
            return Err(invalid(format!("page {} after page {last}: pages ascend, from 1", page.number)));
        }
        at_most(page.title.as_ref().map_or(0, String::len), TITLE_BYTES, "a heading")?;
        at_most(page.text.len(), PAGE_BYTES, "the text of a page")?;
        if count(self.pages.len()) >= PAGES {
            return Err(too_large(format!("a document has at most {PAGES} pages")));
        }
        self.take(page.text.len())?;
        self.pages.insert(page.number, count(page.text.chars().count()));
        Ok(Page { number: page.number, title: page.title.map(without_nul), text: without_nul(page.text) })
    }

    /// Chunks with metadata that is still text. Either all are taken or none.
    pub(crate) fn chunks(
        &mut self,
        chunks: Vec<(Chunk, Option<String>)>,
    ) -> Result<Vec<Chunk>, KnowledgeError> {
        let mut taken = Vec::with_capacity(chunks.len());
        let mut bytes = 0;
        for (chunk, metadata) in chunks {
            let next = self.chunks.saturating_add(count(taken.len()));
            if next >= CHUNKS {
                return Err(too_large(format!("a document has at most {CHUNKS} chunks")));
            }
            let checked = self.chunk(next, chunk, metadata)?;
            bytes += checked.text.len() + checked.embedded_text.as_ref().map_or(0, String::len);
            taken.push(checked);
        }
        self.take(bytes)?;
        self.chunks += count(taken.len());
        Ok(taken)
    }

    fn chunk(&self, next: u32, chunk: Chunk, metadata: Option<String>) -> Result<Chunk, KnowledgeError> {
        let ordinal = chunk.ordinal;
        if ordinal != next {
            return Err(invalid(format!("chunk {ordinal} in the place of chunk {next}")));
        }
        if chunk.text.is_empty() {
            return Err(invalid(format!("chunk {ordinal} has no text")));
        }
        at_most(chunk.text.len(), CHUNK_BYTES, "the text of a chunk")?;
        at_most(chunk.embedded_text.as_ref().map_or(0, String::len), CHUNK_BYTES, "an embedded text")?;
        self.check_place(&chunk)?;
        let metadata = metadata.map(|text| object(&text, METADATA_BYTES)).transpose();
        let metadata =
            metadata.map_err(|reason| invalid(format!("chunk {ordinal}: its metadata {reason}")))?;
        Ok(Chunk {
            text: without_nul(chunk.text),
            embedded_text: chunk.embedded_text.map(without_nul),
            metadata,
            ..chunk
        })
    }

    /// A chunk lies on pages that are there, and ends after it begins.
    fn check_place(&self, chunk: &Chunk) -> Result<(), KnowledgeError> {
        let Chunk { ordinal, first_page, last_page, start, end, .. } = *chunk;
        for (page, at) in [(first_page, start), (last_page, end)] {
            let Some(characters) = self.pages.get(&page) else {
                return Err(invalid(format!("chunk {ordinal} is on page {page}, which was not written")));
            };
            if at > *characters {
                let reason =
                    format!("chunk {ordinal}: character {at} of page {page}, which has {characters}");
                return Err(invalid(reason));
            }
        }
        if (first_page, start) > (last_page, end) {
            return Err(invalid(format!("chunk {ordinal} ends before it begins")));
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), KnowledgeError> {
        let bytes = self.bytes.saturating_add(bytes as u64);
        if bytes > TEXT_BYTES {
            let most = TEXT_BYTES >> 20;
            return Err(too_large(format!("the text of a document has at most {most} MiB, chunks included")));
        }
        self.bytes = bytes;
        Ok(())
    }
}

/// A JSON object in at most `most` bytes; says what is wrong with any other text.
pub(super) fn object(text: &str, most: usize) -> Result<Map<String, Value>, String> {
    if text.len() > most {
        return Err(format!("has more than {} KiB", most >> 10));
    }
    serde_json::from_str(text).map_err(|_| "is no JSON object".to_owned())
}

/// PostgreSQL keeps no NUL in text. What stands for it is one character too, so that offsets stay right.
pub(super) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn at_most(bytes: usize, most: usize, what: &str) -> Result<(), KnowledgeError> {
    if bytes <= most {
        return Ok(());
    }
    Err(too_large(format!("{what} has at most {} KiB", most >> 10)))
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn invalid(reason: String) -> KnowledgeError {
    KnowledgeError::Invalid(reason)
}

fn too_large(reason: String) -> KnowledgeError {
    KnowledgeError::TooLarge(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, text: &str) -> Page {
        Page { number, title: None, text: text.to_owned() }
    }

    fn chunk(ordinal: u32, from: (u32, u32), to: (u32, u32)) -> (Chunk, Option<String>) {
        let chunk = Chunk {
            ordinal,
            text: "text".to_owned(),
            embedded_text: None,
            first_page: from.0,
            last_page: to.0,
            start: from.1,
            end: to.1,
            metadata: None,
        };
        (chunk, None)
    }

    fn two_pages() -> Draft {
        let mut draft = Draft::default();
        draft.page(page(1, "äöü")).unwrap();
        draft.page(page(3, "five!")).unwrap();
        draft
    }

    #[test]
    fn pages_ascend() {
        for number in [0, 1, 2, 3] {
            assert!(
                matches!(two_pages().page(page(number, "")), Err(KnowledgeError::Invalid(_))),
                "{number}"
            );
        }
        let mut draft = two_pages();
        draft.page(page(4, "")).unwrap();
        assert_eq!(draft.finish().pages, 3);
    }

    #[test]
    fn a_chunk_lies_on_pages_that_are_there() {
        for good in [chunk(0, (1, 0), (1, 3)), chunk(0, (1, 3), (3, 5)), chunk(0, (3, 5), (3, 5))] {
            assert!(two_pages().chunks(vec![good.clone()]).is_ok(), "{good:?}");
        }
        for bad in [
            chunk(1, (1, 0), (1, 3)),
            // Characters, not bytes.
            chunk(0, (1, 0), (1, 4)),
            chunk(0, (2, 0), (3, 1)),
            chunk(0, (1, 0), (4, 0)),
            chunk(0, (3, 0), (1, 3)),
            chunk(0, (3, 2), (3, 1)),
        ] {
            assert!(
                matches!(two_pages().chunks(vec![bad.clone()]), Err(KnowledgeError::Invalid(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn chunks_are_dense_and_taken_together() {
        let mut draft = two_pages();
        let good = |ordinal| chunk(ordinal, (1, 0), (1, 3));
        assert!(draft.chunks(vec![good(0), good(2)]).is_err());
        assert_eq!(draft.chunks(vec![good(0), good(1)]).unwrap().len(), 2);
        assert!(draft.chunks(vec![good(1)]).is_err());
        draft.chunks(vec![good(2)]).unwrap();
        assert_eq!(draft.finish().chunks, 3);
    }

    #[test]
    fn a_nul_becomes_one_other_character() {
        let mut draft = Draft::default();
        assert_eq!(draft.page(page(1, "a\0b")).unwrap().text, "a\u{fffd}b");
        assert_eq!(draft.title("\0".to_owned()).unwrap(), "\u{fffd}");
        let (mut own, _) = chunk(0, (1, 0), (1, 3));
        own.text = "a\0b".to_owned();
        own.embedded_text = Some("\0".to_owned());
        let taken = draft.chunks(vec![(own, Some("{\"a\": 1}".to_owned()))]).unwrap().remove(0);
        assert_eq!((taken.text.as_str(), taken.embedded_text.as_deref()), ("a\u{fffd}b", Some("\u{fffd}")));
        assert_eq!(taken.metadata.unwrap()["a"], 1);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let too_large = |outcome: Result<(), KnowledgeError>| {
            assert!(matches!(outcome, Err(KnowledgeError::TooLarge(_))), "{outcome:?}");
        };
        let mut draft = two_pages();
        too_large(draft.title("x".repeat(TITLE_BYTES + 1)).map(drop));
        too_large(draft.page(page(4, &"x".repeat(PAGE_BYTES + 1))).map(drop));
        let (mut own, _) = chunk(0, (1, 0), (1, 3));
        own.text = "x".repeat(CHUNK_BYTES + 1);
        too_large(draft.chunks(vec![(own, None)]).map(drop));
        draft.bytes = TEXT_BYTES - 1;
        too_large(draft.chunks(vec![chunk(0, (1, 0), (1, 3))]).map(drop));
        let mut draft = Draft { chunks: CHUNKS, ..two_pages() };
        too_large(draft.chunks(vec![chunk(CHUNKS, (1, 0), (1, 3))]).map(drop));
    }

    #[test]
    fn metadata_is_an_object() {
        for bad in ["", "[]", "1", "{", &format!("{{\"a\": \"{}\"}}", "x".repeat(METADATA_BYTES))] {
            let (own, _) = chunk(0, (1, 0), (1, 3));
            assert!(two_pages().chunks(vec![(own, Some(bad.to_owned()))]).is_err(), "{bad}");
        }
    }
}
