//! Unpacking, up to a limit: the parser unpacks a stream in one go, so what it would become is found out before.

use std::io::Read;

use hayro_syntax::Filter;
use hayro_syntax::object::{Dict, Stream};

use super::Work;
use crate::unreadable::Error;

/// One stream, unpacked.
const MOST: usize = 64 << 20;
/// DEFLATE packs at most so well; LZW, with codes of up to 12 bits for strings of up to 4,096 bytes, about twice so.
const BEST_RATIO: usize = 1_032;

/// What a stream unpacks to; none if it is damaged, a picture, or too large.
pub(super) fn unpacked<'a>(
    stream: &Stream<'a>,
    work: &mut Work,
) -> Result<Option<std::borrow::Cow<'a, [u8]>>, Error> {
    if !is_bounded(stream, work)? {
        return Ok(None);
    }
    let bytes = stream.decoded_data().ok();
    work.spend(bytes.as_ref().map_or(1, |bytes| bytes.len() as u64 / 16 + 1))?;
    Ok(bytes)
}

/// Whether a stream is no bomb.
pub(super) fn is_bounded(stream: &Stream<'_>, work: &mut Work) -> Result<bool, Error> {
    let raw = stream.raw_data();
    let filters = stream.filters();
    let packers = filters
        .iter()
        .filter(|filter| matches!(filter, Filter::FlateDecode | Filter::LzwDecode | Filter::RunLengthDecode));
    Ok(match (packers.count(), filters.first()) {
        (0, _) => true,
        (1, _) if raw.len() <= MOST / BEST_RATIO => true,
        (1, Some(Filter::FlateDecode)) => {
            let counted = counted(&raw);
            work.spend(counted as u64 / 16)?;
            counted <= MOST
        }
        // Twice packed, one byte may become a million.
        (1, _) => raw.len() <= MOST / 64,
        _ => raw.len() <= 4_096,
    })
}

/// How long it would become, as far as that matters.
fn counted(raw: &[u8]) -> usize {
    let mut inflated = flate2::read::ZlibDecoder::new(raw);
    let mut piece = vec![0; 64 << 10];
    let mut length = 0;
    while length <= MOST {
        match inflated.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    length
}

/// Whether what a font brings with it is no bomb: its program, and its table to Unicode.
pub(super) fn is_font_bounded(font: &Dict<'_>, work: &mut Work) -> Result<bool, Error> {
    let descendant = font.get::<hayro_syntax::object::Array<'_>>(b"DescendantFonts");
    let descendant = descendant.and_then(|fonts| fonts.iter::<Dict<'_>>().next());
    for font in [Some(font), descendant.as_ref()].into_iter().flatten() {
        let descriptor = font.get::<Dict<'_>>(b"FontDescriptor").unwrap_or_default();
        let programs = [&b"FontFile"[..], b"FontFile2", b"FontFile3"];
        let programs = programs.iter().filter_map(|key| descriptor.get::<Stream<'_>>(key));
        let tables = [&b"ToUnicode"[..], b"Encoding", b"CIDToGIDMap"];
        for stream in programs.chain(tables.iter().filter_map(|key| font.get::<Stream<'_>>(key))) {
            work.spend(stream.raw_data().len() as u64 / 16)?;
            if !is_bounded(&stream, work)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
