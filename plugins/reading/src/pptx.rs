//! PowerPoint: each slide is a page, with its title, its text, its tables and its notes.

use crate::Source;
use crate::archive::{self, Archive, relationships};
use crate::pages::Pages;
use crate::unreadable::{Error, Unreadable};
use crate::xml::{Token, Xml};

const PRESENTATION: &str = "ppt/presentation.xml";
const MOST_SLIDES: usize = 10_000;

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut archive = Archive::open(source)?;
    if let Some(title) = archive::title(&mut archive)? {
        pages.document_title(&title)?;
    }
    let slides = slides(&mut archive)?;
    for (name, done) in slides.iter().zip(1..) {
        let Some(part) = archive.part(name)? else { continue };
        let slide = Slide::read(Xml::new(part), None)?;
        let notes = relationships(&mut archive, name)?.into_iter().find(|found| found.kind == "notesSlide");
        let notes = match notes.map(|notes| archive.part(&notes.target)).transpose()?.flatten() {
            Some(part) => Slide::read(Xml::new(part), Some("body"))?.text,
            None => String::new(),
        };
        pages.next(Some(&slide.title))?;
        pages.heading(1, &slide.title)?;
        pages.block(&slide.text)?;
        if !notes.trim().is_empty() {
            pages.block(&format!("Notes: {}", notes.trim()))?;
        }
        // Also a slide of nothing but pictures is a page: the numbers are those that people see.
        pages.hand_over()?;
        pages.progress(done, slides.len() as u64);
    }
    Ok(())
}

/// The names of the slides' parts, as they are shown.
fn slides(archive: &mut Archive<'_>) -> Result<Vec<String>, Error> {
    let known = relationships(archive, PRESENTATION)?;
    let missing = || Unreadable::Damaged(format!("it has no {PRESENTATION}"));
    let mut xml = Xml::new(archive.part(PRESENTATION)?.ok_or_else(missing)?);
    let mut slides = Vec::new();
    while let Some(token) = xml.next()? {
        let Token::Start(element) = token else { continue };
        if element.name() != "sldId" || slides.len() >= MOST_SLIDES {
            continue;
        }
        let id = element.prefixed("r:id");
        let found = known.iter().find(|known| Some(&known.id) == id.as_ref());
        slides.extend(found.map(|found| found.target.clone()));
    }
    Ok(slides)
}

#[derive(Default)]
struct Slide {
    title: String,
    text: String,
}

impl Slide {
    /// Reads the shapes, or only those that stand in for this placeholder.
    fn read(mut xml: Xml<impl std::io::BufRead>, only: Option<&str>) -> Result<Self, Error> {
        let mut slide = Self::default();
        let mut paragraph = String::new();
        let (mut placeholder, mut in_text, mut cells, mut unseen) = (None, false, None, 0_usize);
        while let Some(token) = xml.next()? {
            match token {
                Token::Start(element) if unseen > 0 || element.name() == "Fallback" => unseen += 1,
                Token::End(_) if unseen > 0 => unseen -= 1,
                Token::Start(element) => match element.name() {
                    "sp" | "graphicFrame" => placeholder = None,
                    "ph" => {
                        placeholder = Some(element.attribute("type").unwrap_or_else(|| "body".to_string()))
                    }
                    "t" => in_text = true,
                    "br" => paragraph.push('\n'),
                    "tr" => cells = Some(0_usize),
                    "tc" => {
                        let before = cells.get_or_insert(0);
                        if *before > 0 {
                            slide.text.push_str(" | ");
                        } else {
                            slide.text.push('\n');
                        }
                        *before += 1;
                    }
                    _ => {}
                },
                Token::Text(text) if in_text && unseen == 0 => paragraph.push_str(text),
                Token::Text(_) => {}
                Token::End("t") => in_text = false,
                Token::End("tr") => cells = None,
                Token::End("p") => {
                    let text = std::mem::take(&mut paragraph);
                    let text = text.trim();
                    let is_title = matches!(placeholder.as_deref(), Some("title" | "ctrTitle"));
                    let is_furniture =
                        matches!(placeholder.as_deref(), Some("sldNum" | "dt" | "ftr" | "hdr"));
                    let is_other = only.is_some_and(|only| placeholder.as_deref() != Some(only));
                    if text.is_empty() || is_furniture || is_other {
                        continue;
                    }
                    if is_title && only.is_none() {
                        push(&mut slide.title, text, " ");
                    } else if cells.is_some() {
                        slide.text.push_str(text);
                    } else {
                        push(&mut slide.text, text, "\n");
                    }
                }
                Token::End(_) => {}
            }
        }
        Ok(slide)
    }
}

fn push(to: &mut String, text: &str, between: &str) {
    if !to.is_empty() {
        to.push_str(between);
    }
    to.push_str(text);
}
