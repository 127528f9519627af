use hardpoint_sdk::FailureKind;
use hardpoint_sdk::retriever::{Chunk, Document, DocumentError, Page, Retriever, Sink};
use hardpoint_sdk::serde_json::{Value, from_str};
use hardpoint_sdk::testing::{MemoryDocument, MemorySink};
use hybrid::{Hybrid, Settings};

fn document(filename: &str, bytes: impl Into<Vec<u8>>) -> MemoryDocument {
    MemoryDocument { filename: filename.into(), bytes: bytes.into(), ..MemoryDocument::default() }
}

fn ingested(document: &MemoryDocument) -> MemorySink {
    let sink = MemorySink::default();
    Hybrid::ingest(document, &sink, Settings::default()).expect("it can be read");
    sink
}

#[test]
fn pages_and_passages_come_out() {
    let body = "Cod is a fish of the cold sea. ".repeat(60);
    let sink =
        ingested(&document("a.md", format!("# Fish\n\n## Cod\n\n{body}\n\n## Hake\n\nHake is another.")));
    assert_eq!(sink.document_title().as_deref(), Some("Fish"));
    assert_eq!(sink.pages().len(), 1);
    let chunks = sink.all_chunks();
    assert!(chunks.len() > 2);
    for (chunk, ordinal) in chunks.iter().zip(0..) {
        assert_eq!(chunk.ordinal, ordinal);
        let text: String = sink.pages()[0]
            .text
            .chars()
            .skip(chunk.start as usize)
            .take((chunk.end - chunk.start) as usize)
            .collect();
        assert_eq!(text, chunk.text);
    }
    let second = &chunks[1];
    assert!(second.embedded_text.as_deref().unwrap().starts_with("Fish\nCod\n\nCod is"), "{second:?}");
    let metadata: Value = from_str(second.metadata.as_deref().unwrap()).unwrap();
    assert_eq!(metadata["headings"][1], "Cod");
    // It has its headings in its own text, so they are not repeated.
    assert!(!chunks[0].embedded_text.as_deref().unwrap_or_default().starts_with("Fish\nFish"));
}

#[test]
fn a_document_without_a_title_is_called_by_its_name() {
    let sink = ingested(&document("docs/leave_policy-2024.txt", "Thirty days a year."));
    assert_eq!(sink.document_title(), None);
    let embedded = sink.all_chunks()[0].embedded_text.clone().unwrap();
    assert_eq!(embedded, "leave policy 2024\n\nThirty days a year.");
}

#[test]
fn what_cannot_be_read_is_the_callers() {
    for (filename, bytes, reason) in [
        ("a.txt", &b""[..], "the file is empty"),
        ("a.pdf", b"words", "it is no PDF, though its name says so"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "it is an image, which cannot be read"),
    ] {
        let failure = Hybrid::ingest(&document(filename, bytes), &MemorySink::default(), Settings::default());
        let failure = failure.expect_err("it cannot be read");
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::InvalidRequest, reason));
    }
}

#[test]
fn the_declared_media_type_counts() {
    let mut table = document("upload", "name,price\nCod,2\n");
    table.media_type = Some("text/csv".into());
    assert_eq!(ingested(&table).pages()[0].text, "name | price\nname: Cod | price: 2");
}

/// Out of reach, or full.
struct Failing(DocumentError);

impl Document for Failing {
    fn id(&self) -> String {
        "doc".into()
    }
    fn filename(&self) -> String {
        "a.txt".into()
    }
    fn media_type(&self) -> Option<String> {
        None
    }
    fn size(&self) -> u64 {
        1_000
    }
    fn read(&self, _: u64, _: u32) -> Result<Vec<u8>, DocumentError> {
        Err(self.0.clone())
    }
}

impl Sink for Failing {
    fn title(&self, _: &str) -> Result<(), DocumentError> {
        Err(self.0.clone())
    }
    fn page(&self, _: &Page) -> Result<(), DocumentError> {
        Err(self.0.clone())
    }
    fn chunks(&self, _: &[Chunk]) -> Result<(), DocumentError> {
        Err(self.0.clone())
    }
    fn progress(&self, _: u32, _: u32) {}
}

#[test]
fn the_hosts_failures_stay_what_they_are() {
    let away = Failing(DocumentError::Unavailable("the store is away".into()));
    let failure = Hybrid::ingest(&away, &MemorySink::default(), Settings::default()).expect_err("no bytes");
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Upstream, "the store is away"));
    let full = Failing(DocumentError::TooLarge("no more pages".into()));
    let failure =
        Hybrid::ingest(&document("a.txt", "words"), &full, Settings::default()).expect_err("no room");
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::InvalidRequest, "no more pages"));
}
