//! XML of Office files: a run of tags and texts. No document type is accepted, so no entity but XML's own five is
//! ever replaced.

use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::archive::of_io;
use crate::unreadable::{Error, Unreadable};

/// Real documents nest some 40 deep: tables within tables within text boxes.
const DEEPEST: usize = 1_000;
/// One tag with its attributes, or one text, in bytes.
const LONGEST_TOKEN: usize = 32 << 20;

/// What stands next. Names are without their prefix.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    /// A start tag. One that is empty is followed by its end.
    Start(Element<'a>),
    /// The name of what ends.
    End(&'a str),
    /// Text, its references replaced.
    Text(&'a str),
}

/// A start tag.
#[derive(Debug)]
pub(crate) struct Element<'a>(&'a BytesStart<'static>);

impl Element<'_> {
    /// Its name, without prefix.
    pub(crate) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// An attribute's value by its name without prefix.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let found = self
            .0
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|found| found.key.local_name().into_inner() == name)?;
        found.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
    }

    /// An attribute's value by its whole name, as written: `r:id`.
    pub(crate) fn prefixed(&self, name: &str) -> Option<String> {
        let found = self.0.try_get_attribute(name).ok()??;
        found.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
    }
}

/// Reads a part.
pub(crate) struct Xml<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    start: BytesStart<'static>,
    text: String,
    /// The names of open elements, one after the other, and where each begins.
    open: String,
    begins: Vec<usize>,
    /// The last token was an empty element, whose end comes next.
    is_empty: bool,
}

impl<R: BufRead> Xml<R> {
    pub(crate) fn new(part: R) -> Self {
        let mut reader = Reader::from_reader(part);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self {
            reader,
            buffer: Vec::new(),
            start: BytesStart::new(""),
            text: String::new(),
            open: String::new(),
            begins: Vec::new(),
            is_empty: false,
        }
    }

    /// None at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'_>>, Error> {
        if std::mem::take(&mut self.is_empty) {
            return Ok(Some(Token::End(self.close())));
        }
        loop {
            self.buffer.clear();
            self.buffer.shrink_to(1 << 20);
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(quick_xml::Error::Io(error)) => return Err(of_io(&error)),
                Err(error) => {
                    return Err(Unreadable::Damaged(format!("a part of it is no XML: {error}")).into());
                }
            };
            match event {
                Event::Start(start) => {
                    self.start = start.into_owned();
                    return self.opened();
                }
                Event::Empty(start) => {
                    self.start = start.into_owned();
                    self.is_empty = true;
                    return self.opened();
                }
                Event::End(_) if self.begins.is_empty() => {}
                Event::End(_) => return Ok(Some(Token::End(self.close()))),
                Event::Text(text) => self.text = text.xml10_content().into_owned(),
                Event::CData(text) => self.text = text.xml10_content().into_owned(),
                Event::GeneralRef(reference) => {
                    let letter = reference.resolve_char_ref().ok().flatten();
                    let named = || quick_xml::escape::resolve_predefined_entity(&reference);
                    self.text =
                        letter.map(String::from).or_else(|| named().map(String::from)).unwrap_or_default();
                }
                Event::DocType(_) => {
                    return Err(Unreadable::Damaged(
                        "its XML declares a document type, which Office files do not".into(),
                    )
                    .into());
                }
                Event::Eof => return Ok(None),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            }
            if self.text.len() > LONGEST_TOKEN {
                return Err(Unreadable::TooLargeUnpacked(LONGEST_TOKEN as u64 >> 20).into());
            }
            return Ok(Some(Token::Text(&self.text)));
        }
    }

    fn opened(&mut self) -> Result<Option<Token<'_>>, Error> {
        if self.begins.len() >= DEEPEST {
            return Err(Unreadable::TooDeep(DEEPEST).into());
        }
        self.begins.push(self.open.len());
        self.open.push_str(self.start.local_name().into_inner());
        Ok(Some(Token::Start(Element(&self.start))))
    }

    fn close(&mut self) -> &str {
        let begin = self.begins.pop().unwrap_or_default();
        self.text.clear();
        self.text.push_str(self.open.get(begin..).unwrap_or_default());
        self.open.truncate(begin);
        &self.text
    }
}
