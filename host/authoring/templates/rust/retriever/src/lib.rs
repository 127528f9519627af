//! A retriever for plain text: passages end at blank lines, and the host's full text index finds them.

use hardpoint_sdk::index;
use hardpoint_sdk::retriever::*;
use hardpoint_sdk::Failure;
use serde::Deserialize;

/// The plugin.
pub enum PlainText {}

/// What the operator set; `plugin.toml` has its schema.
#[derive(Deserialize)]
pub struct Settings {
    #[serde(default = "thousand")]
    passage_characters: usize,
}

fn thousand() -> usize {
    1_000
}

/// What is read at once, and the longest document: its text is kept in memory.
const PIECE: u32 = 1 << 20;
const MOST_BYTES: u64 = 64 << 20;

impl Retriever for PlainText {
    type Settings = Settings;

    fn ingest(document: &dyn Document, into: &dyn Sink, settings: Settings) -> Result<(), Failure> {
        let text = read(document)?;
        let chunks: Vec<Chunk> = (0..)
            .zip(passages(&text, settings.passage_characters))
            .map(|(ordinal, (start, passage))| Chunk {
                start,
                end: start + count(passage),
                ..Chunk::of_page(ordinal, 1, passage)
            })
            .collect();
        into.title(&document.filename())?;
        into.page(&Page { number: 1, title: None, text: text.clone() })?;
        into.chunks(&chunks)?;
        Ok(())
    }

    fn search(request: SearchRequest, _: Settings) -> Result<Vec<Hit>, Failure> {
        let found = index::full_text(&request.query, &request.filter, request.top)?;
        Ok(found.into_iter().map(Hit::from).collect())
    }
}

hardpoint_sdk::export!(retriever: PlainText);

fn read(document: &dyn Document) -> Result<String, Failure> {
    if document.size() > MOST_BYTES {
        return Err(Failure::invalid_request(format!("it is larger than {MOST_BYTES} bytes")));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < document.size() {
        let piece = document.read(bytes.len() as u64, PIECE)?;
        if piece.is_empty() {
            break;
        }
        bytes.extend(piece);
    }
    String::from_utf8(bytes).map_err(|_| Failure::invalid_request("it is no plain text: not UTF-8"))
}

/// Paragraphs, put together as long as they fit, each with the character at which it begins. A paragraph that
/// is too long by itself is cut.
fn passages(text: &str, most: usize) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    // The passage so far, in bytes of the text.
    let mut open: Option<(usize, usize)> = None;
    for (begin, paragraph) in paragraphs(text) {
        let end = begin + paragraph.len();
        open = match open {
            Some((start, _)) if text[start..end].chars().count() <= most => Some((start, end)),
            Some(full) => {
                found.push(full);
                Some((begin, end))
            }
            None => Some((begin, end)),
        };
    }
    found.extend(open);
    let cut = found.into_iter().flat_map(|(start, end)| cut(text, start, end, most));
    cut.map(|(start, end)| (count(&text[..start]), &text[start..end])).collect()
}

/// What stands between blank lines, without white space around it, and where it begins.
fn paragraphs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let offset = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    text.split("\n\n").map(str::trim).filter(|piece| !piece.is_empty()).map(move |piece| (offset(piece), piece))
}

fn cut(text: &str, start: usize, end: usize, most: usize) -> Vec<(usize, usize)> {
    let borders: Vec<usize> = text[start..end].char_indices().map(|(at, _)| start + at).step_by(most).collect();
    let ends = borders.iter().skip(1).copied().chain([end]);
    borders.iter().copied().zip(ends).collect()
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
