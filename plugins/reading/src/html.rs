//! HTML: its text with its headings, by the reader that fetches pages use.

use ::html::Readable;

use crate::Source;
use crate::decode::{Text, head};
use crate::pages::{Heading, Pages};
use crate::unreadable::Error;

/// A page is held as a whole.
const MOST_MIB: u64 = 48;

pub(crate) fn read(
    source: &dyn Source,
    media_type: Option<&str>,
    pages: &mut Pages<'_>,
) -> Result<(), Error> {
    let declared = media_type.and_then(label).or(::html::label(&head(source, 1_024)?));
    let page = Text::new(source, declared.as_deref())?.whole(MOST_MIB)?;
    let Readable { title, text, headings } = ::html::plain(&page);
    drop(page);
    pages.document_title(&title)?;
    let headings =
        headings.iter().map(|found| Heading { start: found.start, end: found.end, level: found.level });
    pages.whole(None, &text, headings.collect())
}

/// The `charset` of a media type.
pub(crate) fn label(media_type: &str) -> Option<String> {
    let value = media_type.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="))?;
    Some(value.trim_matches(['"', '\'', ' ']).to_string())
}

/// The text of a piece of HTML within another document.
pub(crate) fn text_of(html: &str) -> String {
    if html.starts_with("<!--") { String::new() } else { ::html::plain(html).text }
}
