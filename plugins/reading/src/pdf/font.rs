//! Fonts: which characters codes stand for, and how far each moves the pen.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use hayro_cmap::BfString;
use hayro_font::{
    CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn, GlyphId, StandardFont,
};
use hayro_syntax::object::Dict;

use super::Work;
use super::stream::is_font_bounded;
use crate::unreadable::Error;

/// What a code of a font is.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Empty where nobody knows.
    pub(super) text: Rc<str>,
    /// Along and across the line, in thousandths of the font's size.
    pub(super) advance: (f64, f64),
}

/// A font with what was looked up in it.
pub(super) struct Face<'a> {
    font: Font<'a>,
    letters: RefCell<HashMap<u32, Letter>>,
    /// What the size must be multiplied with to be the size of its letters.
    pub(super) scale: f64,
}

impl Face<'_> {
    pub(super) fn is_horizontal(&self) -> bool {
        self.font.is_horizontal()
    }

    /// The codes of a string, with the number of bytes of each.
    pub(super) fn codes(&self, bytes: &[u8]) -> Vec<(u32, usize)> {
        let (mut codes, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let (code, length) = self.font.read_code(bytes, at);
            codes.push((code, length));
            at += length.max(1);
        }
        codes
    }

    pub(super) fn letter(&self, code: u32) -> Letter {
        if let Some(known) = self.letters.borrow().get(&code) {
            return known.clone();
        }
        let text = match self.font.glyph(GlyphId::NOTDEF, code) {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        let text = match text {
            Some(BfString::Char(letter)) => plain(letter.encode_utf8(&mut [0; 4])),
            Some(BfString::String(text)) => plain(&text),
            None => "".into(),
        };
        let advance = self.font.code_advance(code);
        let letter = Letter { text, advance: (advance.x, advance.y) };
        self.letters.borrow_mut().insert(code, letter.clone());
        letter
    }
}

/// Ligatures as the letters they are of; spaces of any width as one.
fn plain(text: &str) -> Rc<str> {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => out.push_str("st"),
            letter if letter.is_whitespace() => out.push(' '),
            // Private use areas say nothing to anybody else.
            letter if letter.is_control() || ('\u{e000}'..='\u{f8ff}').contains(&letter) => {}
            letter => out.push(letter),
        }
    }
    out.into()
}

/// The fonts of a document, each loaded once.
pub(super) struct Fonts<'a> {
    cache: FontCache<'a>,
    /// By where their dictionaries stand.
    faces: HashMap<*const u8, Option<Rc<Face<'a>>>>,
    fonts: FontResolverFn,
    cmaps: CMapResolverFn,
}

impl<'a> Fonts<'a> {
    pub(super) fn new() -> Self {
        Self {
            cache: FontCache::new(),
            faces: HashMap::new(),
            fonts: Arc::new(|query| {
                Some(match query {
                    FontQuery::Standard(font) => font.get_font_data(),
                    FontQuery::Fallback(query) => query.pick_standard_font().get_font_data(),
                })
            }),
            cmaps: Arc::new(hayro_cmap::load_embedded),
        }
    }

    /// The font of a dictionary; none if nothing can be made of it.
    pub(super) fn face(&mut self, dict: &Dict<'a>, work: &mut Work) -> Result<Option<Rc<Face<'a>>>, Error> {
        let place = dict.data().as_ptr();
        if let Some(known) = self.faces.get(&place) {
            return Ok(known.clone());
        }
        work.spend(1_000)?;
        let font = match is_font_bounded(dict, work)? {
            true => self.cache.font(dict, &self.fonts, &self.cmaps),
            false => None,
        };
        let face = font.map(face);
        self.faces.insert(place, face.clone());
        Ok(face)
    }

    /// What readers take where no font is named.
    pub(super) fn fallback(&self) -> Option<Rc<Face<'a>>> {
        self.cache.standard_font(StandardFont::Helvetica, &self.fonts).map(face)
    }
}

fn face(font: Font<'_>) -> Rc<Face<'_>> {
    Rc::new(Face { scale: scale(&font), font, letters: RefCell::default() })
}

/// A Type 3 font may be of any size in its own space. Letters are about half as wide as they are high.
fn scale(font: &Font<'_>) -> f64 {
    let FontGlyph::Type3(_) = font.glyph(GlyphId::NOTDEF, 0) else { return 1.0 };
    let widths: Vec<f64> =
        (0..=255).map(|code| font.code_advance(code).x.abs()).filter(|width| *width > 0.0).collect();
    let average = widths.iter().sum::<f64>() / widths.len().max(1) as f64;
    if average > 0.0 && average.is_finite() { average / 500.0 } else { 1.0 }
}
