//! Markdown: what a reader would see, without its marks.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::Source;
use crate::decode::Text;
use crate::pages::Pages;
use crate::unreadable::Error;

/// The parser holds all of it and a tree.
const MOST_MIB: u64 = 32;
/// Lists are indented up to this depth.
const DEEPEST_LIST: usize = 8;

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let text = Text::new(source, None)?.whole(MOST_MIB)?;
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut writer = Writer::default();
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        writer.event(event, pages)?;
        pages.progress(range.end as u64, text.len() as u64);
    }
    writer.flush(pages)
}

/// Text gathers in a block until the block ends.
#[derive(Default)]
struct Writer {
    block: String,
    heading: Option<u8>,
    /// For each open list the number of its next item; none for bullets.
    lists: Vec<Option<u64>>,
    /// Whether what is being read is no text: front matter.
    unseen: bool,
    /// Within a list or table, lines follow one another without empty ones.
    is_tight: bool,
    has_title: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>, pages: &mut Pages<'_>) -> Result<(), Error> {
        match event {
            Event::Start(tag) => self.start(tag, pages),
            Event::End(tag) => self.end(tag, pages),
            Event::Text(text) | Event::Code(text) if !self.unseen => {
                self.block.push_str(&text);
                Ok(())
            }
            Event::InlineHtml(html) | Event::Html(html) => {
                self.block.push_str(&crate::html::text_of(&html));
                Ok(())
            }
            Event::SoftBreak => {
                self.block.push(' ');
                Ok(())
            }
            Event::HardBreak => {
                self.block.push('\n');
                Ok(())
            }
            Event::Rule => self.flush(pages),
            _ => Ok(()),
        }
    }

    fn start(&mut self, tag: Tag<'_>, pages: &mut Pages<'_>) -> Result<(), Error> {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush(pages)?;
                self.heading = Some(match level {
                    HeadingLevel::H1 => 1,
                    HeadingLevel::H2 => 2,
                    HeadingLevel::H3 => 3,
                    HeadingLevel::H4 => 4,
                    HeadingLevel::H5 => 5,
                    HeadingLevel::H6 => 6,
                });
            }
            Tag::List(first) => {
                self.flush(pages)?;
                // Of lists that are never closed there may be very many.
                if self.lists.len() < 1_000 {
                    self.lists.push(first);
                }
            }
            Tag::Item => {
                self.flush(pages)?;
                let depth = self.lists.len().saturating_sub(1).min(DEEPEST_LIST);
                self.block.push_str(&"  ".repeat(depth));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.block.push_str(&format!("{number}. "));
                        *number += 1;
                    }
                    _ => self.block.push_str("- "),
                }
            }
            Tag::CodeBlock(_) | Tag::BlockQuote(_) | Tag::Table(_) | Tag::HtmlBlock => self.flush(pages)?,
            Tag::TableCell if !self.block.is_empty() => self.block.push_str(" | "),
            Tag::MetadataBlock(_) => self.unseen = true,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd, pages: &mut Pages<'_>) -> Result<(), Error> {
        match tag {
            TagEnd::Heading(_) => {
                let level = self.heading.take().unwrap_or(1);
                let text = std::mem::take(&mut self.block);
                if level == 1 && !std::mem::replace(&mut self.has_title, true) {
                    pages.document_title(&text)?;
                }
                self.is_tight = false;
                pages.heading(level, &text)
            }
            TagEnd::List(_) => {
                self.flush(pages)?;
                self.lists.pop();
                self.is_tight = !self.lists.is_empty();
                Ok(())
            }
            TagEnd::Item => {
                self.flush(pages)?;
                self.is_tight = true;
                Ok(())
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                self.flush(pages)?;
                self.is_tight = true;
                Ok(())
            }
            TagEnd::Table => {
                self.is_tight = false;
                Ok(())
            }
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::FootnoteDefinition => {
                self.flush(pages)
            }
            TagEnd::MetadataBlock(_) => {
                self.unseen = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        let block = std::mem::take(&mut self.block);
        let block = block.trim_end();
        if block.trim().is_empty() || block.trim() == "-" {
            return Ok(());
        }
        if self.is_tight { pages.line(block) } else { pages.block(block) }
    }
}
