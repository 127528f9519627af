//! PDF (ISO 32000): the text that its pages draw, put together to lines by where it stands.

mod content;
mod font;
mod layers;
mod layout;
mod line;
mod stream;

use hayro_syntax::{LoadPdfError, Pdf};

use crate::Source;
use crate::decode;
use crate::pages::{MOST_PAGES, Pages};
use crate::unreadable::{Error, Unreadable};
use content::Drawing;
use layout::Layout;

/// Its parts are found by their offsets, so it is held as a whole.
const MOST_MIB: u64 = 128;

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let bytes = decode::whole(source, MOST_MIB)?;
    let is_whole = ends_as_it_should(&bytes);
    let mut work = Work::for_bytes(bytes.len());
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Unreadable::Encrypted,
        LoadPdfError::Invalid if !is_whole => Unreadable::Truncated("a PDF ends with %%EOF"),
        LoadPdfError::Invalid => Unreadable::Damaged("its pages are not found".into()),
    })?;
    if let Some(title) = &pdf.metadata().title {
        pages.document_title(&text_string(title))?;
    }
    let all = pdf.pages();
    if all.len() > MOST_PAGES as usize {
        return Err(Unreadable::TooMany { what: "pages", most: u64::from(MOST_PAGES) }.into());
    }
    let mut drawing = Drawing::new(pdf.xref());
    let mut layout = Layout::default();
    for (page, done) in all.iter().zip(1..) {
        let letters = drawing.page(page, &mut work)?;
        let (text, headings) = layout.page(letters);
        pages.whole(None, &text, headings)?;
        // Also a page of nothing but pictures is one: the numbers are those that people see.
        pages.hand_over()?;
        pages.progress(done, all.len() as u64);
    }
    if pages.is_without_text() {
        let reason = match is_whole {
            true => ": its pages are pictures, or it has none",
            false => ": it is cut off",
        };
        return Err(Unreadable::NoText(reason).into());
    }
    Ok(())
}

fn ends_as_it_should(bytes: &[u8]) -> bool {
    let end = &bytes[bytes.len().saturating_sub(2_048)..];
    memchr::memmem::find(end, b"%%EOF").is_some() || memchr::memmem::find(end, b"startxref").is_some()
}

/// What reading may cost, in steps of about the same length: an operator, a letter, 16 bytes unpacked. Pages may
/// draw the same form as often as they like, and forms others, so that a file's size bounds nothing.
pub(crate) struct Work {
    left: u64,
}

impl Work {
    fn for_bytes(bytes: usize) -> Self {
        Self { left: 20_000_000 + 40 * bytes as u64 }
    }

    fn spend(&mut self, steps: u64) -> Result<(), Error> {
        self.left = self
            .left
            .checked_sub(steps)
            .ok_or(Unreadable::TooMuchWork("its pages draw the same things again and again"))?;
        Ok(())
    }
}

/// A text string (7.9.2.2): UTF-16 or UTF-8 with a byte order mark, else nearly Latin-1.
fn text_string(bytes: &[u8]) -> String {
    match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned(),
        None => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}
