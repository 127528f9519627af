//! Documents of nine formats as pages of plain text, and pages as passages to search.
//!
//! [`read`] takes the bytes of a document, from a [`Source`], and hands its pages to a [`Receiver`] one by one;
//! [`chunks`] makes passages of them; [`ingest`] does both for a retriever. Nothing but that knows of a host, so all of it
//! runs and is tested natively.
//!
//! Files come from strangers. What one costs is in proportion to its size: what is packed into it is unpacked up
//! to a limit, nesting is followed up to a depth, and what is drawn again and again is read only so often. Where
//! a limit is met, or the file cannot be read otherwise, [`Unreadable`] says why in words for whoever uploaded it.

mod archive;
pub mod chunks;
mod csv;
mod decode;
mod docx;
mod html;
mod ingest;
mod json;
mod kind;
mod markdown;
mod pages;
mod pdf;
mod plain;
mod pptx;
mod table;
mod unreadable;
mod xlsx;
mod xml;

pub use ingest::ingest;
pub use kind::Kind;
pub use pages::{Heading, Page, Receiver};
pub use unreadable::{Error, Stopped, Unreadable};

use pages::Pages;

/// A document's bytes.
pub trait Source {
    /// How many there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the beginning of `into` with what stands at `offset`, and says how many bytes that were: none past
    /// the end.
    ///
    /// # Errors
    /// [`Stopped`], where they cannot be had; the source itself knows why.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Stopped>;
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Stopped> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Reads a document and says what it was. Its kind is found by its content first, then by `filename`, then by the
/// media type that was declared.
///
/// # Errors
/// [`Error::Unreadable`] with the reason; [`Error::Stopped`] where the source or the receiver failed. Pages that
/// were handed over before stay valid.
pub fn read(
    source: &dyn Source,
    filename: &str,
    media_type: Option<&str>,
    into: &mut dyn Receiver,
) -> Result<Kind, Error> {
    let kind = kind::of(source, filename, media_type)?;
    let mut pages = Pages::new(into);
    match kind {
        Kind::Pdf => pdf::read(source, &mut pages),
        Kind::Docx => docx::read(source, &mut pages),
        Kind::Pptx => pptx::read(source, &mut pages),
        Kind::Xlsx => xlsx::read(source, &mut pages),
        Kind::Html => html::read(source, media_type, &mut pages),
        Kind::Markdown => markdown::read(source, &mut pages),
        Kind::Csv => csv::read(source, filename, media_type, &mut pages),
        Kind::Json => json::read(source, &mut pages),
        Kind::Text => plain::read(source, &mut pages),
    }?;
    pages.finish()?;
    Ok(kind)
}
