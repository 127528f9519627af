//! Word: paragraphs, headings by their styles, tables, and the pages that Word saw last.

use std::collections::HashMap;

use crate::Source;
use crate::archive::{self, Archive};
use crate::pages::Pages;
use crate::unreadable::{Error, Unreadable};
use crate::xml::{Element, Token, Xml};

const DOCUMENT: &str = "word/document.xml";
/// Elements whose text is not the document's: what was moved away, and what stands in for what was read already.
const UNSEEN: [&str; 3] = ["moveFrom", "Fallback", "instrText"];

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut archive = Archive::open(source)?;
    let styles = styles(&mut archive)?;
    let title = archive::title(&mut archive)?;
    if let Some(title) = &title {
        pages.document_title(title)?;
    }
    let mut writer = Writer { styles, has_title: title.is_some(), ..Writer::default() };
    let missing = || Unreadable::Damaged(format!("it has no {DOCUMENT}"));
    writer.part(Xml::new(archive.part(DOCUMENT)?.ok_or_else(missing)?), pages)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(part) = archive.part(notes)? {
            writer.part(Xml::new(part), pages)?;
        }
    }
    Ok(())
}

/// What a style is, of those that matter.
#[derive(Clone, Copy)]
enum Style {
    Title,
    Heading(u8),
}

/// By the ids that paragraphs name them with: those differ by language, the names do not.
fn styles(archive: &mut Archive<'_>) -> Result<HashMap<String, Style>, Error> {
    let mut styles = HashMap::new();
    let Some(part) = archive.part("word/styles.xml")? else { return Ok(styles) };
    let mut xml = Xml::new(part);
    let mut id = None;
    while let Some(token) = xml.next()? {
        let Token::Start(element) = token else { continue };
        let style = match element.name() {
            "style" => {
                id = element.attribute("styleId").filter(|_| styles.len() < 10_000);
                continue;
            }
            "name" => element.attribute("val").and_then(|name| {
                let name = name.to_lowercase();
                let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
                level.map(Style::Heading).or((name == "title").then_some(Style::Title))
            }),
            "outlineLvl" => outline(&element).map(Style::Heading),
            _ => None,
        };
        if let (Some(id), Some(style)) = (&id, style) {
            styles.entry(id.clone()).or_insert(style);
        }
    }
    Ok(styles)
}

/// Levels count from 0, and 9 is text.
fn outline(element: &Element<'_>) -> Option<u8> {
    let level: u8 = element.attribute("val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<Style>,
    is_item: bool,
}

#[derive(Default)]
struct Table {
    cells: Vec<String>,
    cell: String,
    has_rows: bool,
}

#[derive(Default)]
struct Writer {
    styles: HashMap<String, Style>,
    has_title: bool,
    /// Paragraphs stand in text boxes, and those in paragraphs; so with tables in cells.
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    /// How deep in an element whose text is not read.
    unseen: usize,
    in_text: bool,
    /// A page ends before the row that is being read.
    breaks: bool,
}

impl Writer {
    fn part(&mut self, mut xml: Xml<impl std::io::BufRead>, pages: &mut Pages<'_>) -> Result<(), Error> {
        while let Some(token) = xml.next()? {
            match token {
                Token::Start(element) if self.unseen > 0 || UNSEEN.contains(&element.name()) => {
                    self.unseen += 1
                }
                Token::End(_) if self.unseen > 0 => self.unseen -= 1,
                Token::Start(element) => self.start(&element, pages)?,
                Token::End(name) => self.end(name, pages)?,
                Token::Text(text) if self.in_text && self.unseen == 0 => self.push(text),
                Token::Text(_) => {}
            }
        }
        // What a damaged part left open.
        while !self.paragraphs.is_empty() {
            self.end_paragraph(pages)?;
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn start(&mut self, element: &Element<'_>, pages: &mut Pages<'_>) -> Result<(), Error> {
        match element.name() {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.in_text = true,
            "tab" | "ptab" => self.push("\t"),
            "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "br" if element.attribute("type").as_deref() == Some("page") => self.end_page(pages)?,
            "br" => self.push("\n"),
            "lastRenderedPageBreak" | "pageBreakBefore" => self.end_page(pages)?,
            "tbl" => self.tables.push(Table::default()),
            "pStyle" => {
                let style = element.attribute("val").and_then(|id| self.styles.get(&id).copied());
                self.style(style);
            }
            "outlineLvl" => self.style(outline(element).map(Style::Heading)),
            "numPr" => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.is_item = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn style(&mut self, style: Option<Style>) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.style = style.or(paragraph.style);
        }
    }

    fn end(&mut self, name: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        match name {
            "t" => self.in_text = false,
            "p" => self.end_paragraph(pages)?,
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cells.push(std::mem::take(&mut table.cell));
                }
            }
            "tr" => self.end_row(pages)?,
            "tbl" => drop(self.tables.pop()),
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        let Some(paragraph) = self.paragraphs.pop() else { return Ok(()) };
        let text = paragraph.text.trim();
        if text.is_empty() {
            return Ok(());
        }
        if let Some(table) = self.tables.last_mut() {
            append(&mut table.cell, text);
            return Ok(());
        }
        match paragraph.style {
            Some(Style::Title) => {
                if !std::mem::replace(&mut self.has_title, true) {
                    pages.document_title(text)?;
                }
                pages.heading(1, text)
            }
            Some(Style::Heading(level)) => pages.heading(level, text),
            None if paragraph.is_item => pages.line(&format!("- {text}")),
            None => pages.block(text),
        }
    }

    fn end_row(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        let Some(table) = self.tables.last_mut() else { return Ok(()) };
        let cells = std::mem::take(&mut table.cells);
        let is_first = !std::mem::replace(&mut table.has_rows, true);
        let row = cells.join(" | ");
        if row.trim_matches([' ', '|']).is_empty() {
            return Ok(());
        }
        let count = self.tables.len();
        if let Some(outer) = count.checked_sub(2).and_then(|outer| self.tables.get_mut(outer)) {
            append(&mut outer.cell, &row);
            return Ok(());
        }
        if std::mem::take(&mut self.breaks) {
            pages.next(None)?;
        }
        if is_first { pages.block(&row) } else { pages.line(&row) }
    }

    /// What of the paragraph was read stays on the page that ends.
    fn end_page(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        if !self.tables.is_empty() {
            self.breaks = true;
            return Ok(());
        }
        if let Some(paragraph) = self.paragraphs.first_mut() {
            let text = std::mem::take(&mut paragraph.text);
            pages.block(text.trim())?;
        }
        pages.next(None)
    }
}

fn append(cell: &mut String, text: &str) {
    if !cell.is_empty() {
        cell.push(' ');
    }
    cell.push_str(text);
}
