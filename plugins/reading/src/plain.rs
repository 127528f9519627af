//! Plain text: as it is, but for line ends and encoding.

use crate::Source;
use crate::decode::Text;
use crate::pages::Pages;
use crate::unreadable::Error;

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut text = Text::new(source, None)?;
    let mut piece = String::new();
    while text.next(&mut piece)? {
        // A form feed is a page break, as in the files of RFCs; a line is not torn.
        let kept = piece.rfind(['\n', '\x0c']).map_or(0, |at| at + 1);
        if kept > 0 || piece.len() > 1 << 20 {
            let rest = if kept > 0 { piece.split_off(kept) } else { String::new() };
            put(&piece, pages)?;
            piece = rest;
        }
        pages.progress(text.offset(), source.len());
    }
    put(&piece, pages)
}

fn put(text: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
    for (index, part) in text.split('\x0c').enumerate() {
        if index > 0 {
            pages.next(None)?;
        }
        pages.push(part)?;
    }
    Ok(())
}
