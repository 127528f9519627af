//! What a page draws, as far as it is text: the operators of clause 9, the graphics state that they stand in, and
//! the forms that others are drawn by.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_font::kurbo::{Affine, Point, Vec2};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Name, Number, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page, Resources};
use hayro_syntax::xref::XRef;

use super::font::{Face, Fonts};
use super::layers::Layers;
use super::layout::Glyph;
use super::{Work, text_string};
use crate::unreadable::Error;

/// Forms in forms.
const DEEPEST_FORM: usize = 20;
/// `q` without `Q`.
const DEEPEST_STATE: usize = 512;
/// Letters of one page.
const MOST_LETTERS: usize = 2_000_000;

/// The drawings of one document.
pub(super) struct Drawing<'a> {
    fonts: Fonts<'a>,
    layers: Layers,
}

impl<'a> Drawing<'a> {
    pub(super) fn new(xref: &'a XRef) -> Self {
        Self { fonts: Fonts::new(), layers: Layers::new(xref) }
    }

    /// The letters of a page, in the order in which they are drawn; `y` grows downwards.
    pub(super) fn page(&mut self, page: &Page<'a>, work: &mut Work) -> Result<Vec<Glyph>, Error> {
        let mut content = Vec::new();
        for stream in contents(page.raw()) {
            if let Some(bytes) = super::stream::unpacked(&stream, work)? {
                content.extend_from_slice(&bytes);
                // 7.8.2: streams are divided between tokens.
                content.push(b'\n');
            }
        }
        let state = State::new(Affine::new(page.initial_transform(true).as_coeffs()));
        let mut pen = Pen { drawing: self, work, letters: Vec::new(), marks: Vec::new(), hidden: 0 };
        pen.run(&content, page.resources(), state, 0)?;
        let mut letters = pen.letters;
        let (width, height) = page.render_dimensions();
        letters.retain(|letter| letter.is_within(f64::from(width), f64::from(height)));
        Ok(letters)
    }
}

fn contents<'a>(page: &Dict<'a>) -> Vec<Stream<'a>> {
    if let Some(stream) = page.get::<Stream<'_>>(b"Contents") {
        return vec![stream];
    }
    let streams = page.get::<Array<'_>>(b"Contents").unwrap_or_default();
    streams.iter::<Stream<'_>>().take(10_000).collect()
}

/// What `q` keeps and `Q` brings back.
#[derive(Clone)]
struct State<'a> {
    matrix: Affine,
    font: Option<Rc<Face<'a>>>,
    size: f64,
    letter_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

impl State<'_> {
    fn new(matrix: Affine) -> Self {
        Self {
            matrix,
            font: None,
            size: 1.0,
            letter_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

/// A sequence of marked content.
enum Mark {
    Plain,
    /// Of a layer that is off.
    Hidden,
    /// What is to be read in place of what is drawn, and the letter with which that begins.
    Actual(String, usize),
}

struct Pen<'d, 'a> {
    drawing: &'d mut Drawing<'a>,
    work: &'d mut Work,
    letters: Vec<Glyph>,
    marks: Vec<Mark>,
    /// How many marks hide what is drawn.
    hidden: usize,
}

impl<'a> Pen<'_, 'a> {
    fn run(
        &mut self,
        content: &[u8],
        resources: &Resources<'a>,
        state: State<'a>,
        depth: usize,
    ) -> Result<(), Error> {
        let mut faces: HashMap<Vec<u8>, Option<Rc<Face<'a>>>> = HashMap::new();
        let mut kept: Vec<State<'a>> = Vec::new();
        let mut now = state;
        let (mut text, mut line) = (Affine::IDENTITY, Affine::IDENTITY);
        let marks = self.marks.len();
        let mut operators = TypedIter::new(content);
        while let Some(operator) = operators.next() {
            self.work.spend(1)?;
            match operator {
                TypedInstruction::SaveState(_) if kept.len() < DEEPEST_STATE => kept.push(now.clone()),
                TypedInstruction::RestoreState(_) => now = kept.pop().unwrap_or(now),
                TypedInstruction::Transform(by) => {
                    now.matrix *= affine([by.0, by.1, by.2, by.3, by.4, by.5]);
                }
                TypedInstruction::BeginText(_) => (text, line) = (Affine::IDENTITY, Affine::IDENTITY),
                TypedInstruction::TextFont(font) => {
                    now.size = font.1.as_f64();
                    now.font = match faces.get(&**font.0) {
                        Some(known) => known.clone(),
                        None => {
                            let face = match resources.get_font(font.0) {
                                Some(dict) => self.drawing.fonts.face(&dict, self.work)?,
                                None => self.drawing.fonts.fallback(),
                            };
                            faces.insert(font.0.to_vec(), face.clone());
                            face
                        }
                    };
                }
                TypedInstruction::CharacterSpacing(by) => now.letter_space = by.0.as_f64(),
                TypedInstruction::WordSpacing(by) => now.word_space = by.0.as_f64(),
                TypedInstruction::HorizontalScaling(by) => now.stretch = by.0.as_f64() / 100.0,
                TypedInstruction::TextLeading(by) => now.leading = by.0.as_f64(),
                TypedInstruction::TextRise(by) => now.rise = by.0.as_f64(),
                TypedInstruction::SetTextMatrix(to) => {
                    line = affine([to.0, to.1, to.2, to.3, to.4, to.5]);
                    text = line;
                }
                TypedInstruction::NextLine(by) => {
                    line *= Affine::translate((by.0.as_f64(), by.1.as_f64()));
                    text = line;
                }
                TypedInstruction::NextLineAndSetLeading(by) => {
                    now.leading = -by.1.as_f64();
                    line *= Affine::translate((by.0.as_f64(), by.1.as_f64()));
                    text = line;
                }
                TypedInstruction::NextLineUsingLeading(_) => {
                    line *= Affine::translate((0.0, -now.leading));
                    text = line;
                }
                TypedInstruction::ShowText(shown) => self.show(&now, &mut text, shown.0.as_bytes())?,
                TypedInstruction::NextLineAndShowText(shown) => {
                    line *= Affine::translate((0.0, -now.leading));
                    text = line;
                    self.show(&now, &mut text, shown.0.as_bytes())?;
                }
                TypedInstruction::ShowTextWithParameters(shown) => {
                    now.word_space = shown.0.as_f64();
                    now.letter_space = shown.1.as_f64();
                    line *= Affine::translate((0.0, -now.leading));
                    text = line;
                    self.show(&now, &mut text, shown.2.as_bytes())?;
                }
                TypedInstruction::ShowTexts(shown) => {
                    for part in shown.0.iter::<Object<'_>>() {
                        match part {
                            Object::Number(by) => {
                                self.work.spend(1)?;
                                let by = -by.as_f64() / 1_000.0 * now.size;
                                let is_vertical = now.font.as_ref().is_some_and(|face| !face.is_horizontal());
                                let by = if is_vertical { (0.0, by) } else { (by * now.stretch, 0.0) };
                                text *= Affine::translate(by);
                            }
                            Object::String(shown) => self.show(&now, &mut text, shown.as_bytes())?,
                            _ => {}
                        }
                    }
                }
                TypedInstruction::SetGraphicsState(named) => {
                    let font =
                        resources.get_ext_g_state(named.0).and_then(|state| state.get::<Array<'_>>(b"Font"));
                    if let Some(font) = font {
                        let mut parts = font.flex_iter();
                        if let (Some(dict), size) = (parts.next::<Dict<'_>>(), parts.next::<f32>()) {
                            now.font = self.drawing.fonts.face(&dict, self.work)?;
                            now.size = size.map_or(now.size, f64::from);
                        }
                    }
                }
                TypedInstruction::XObject(named) => {
                    if let Some(form) = resources.get_x_object(named.0).filter(|_| depth < DEEPEST_FORM) {
                        self.form(&form, resources, &now, depth)?;
                    }
                }
                TypedInstruction::BeginMarkedContent(_) => self.begin(Mark::Plain),
                TypedInstruction::BeginMarkedContentWithProperties(mark) => {
                    let mark = self.mark(mark.0, mark.1, resources);
                    self.begin(mark);
                }
                TypedInstruction::EndMarkedContent(_) if self.marks.len() > marks => self.end(),
                _ => {}
            }
        }
        while self.marks.len() > marks {
            self.end();
        }
        Ok(())
    }

    fn form(
        &mut self,
        form: &Stream<'a>,
        resources: &Resources<'a>,
        state: &State<'a>,
        depth: usize,
    ) -> Result<(), Error> {
        let dict = form.dict();
        if dict.get::<Name<'_>>(b"Subtype").is_none_or(|kind| kind.as_ref() != b"Form") {
            return Ok(());
        }
        let layer = dict.get_ref(b"OC").map(ObjectIdentifier::from);
        if self.hidden > 0 || self.drawing.layers.hide(layer, dict.get::<Dict<'_>>(b"OC").as_ref()) {
            return Ok(());
        }
        let Some(content) = super::stream::unpacked(form, self.work)? else { return Ok(()) };
        let mut state = state.clone();
        state.matrix *=
            Affine::new(dict.get::<[f64; 6]>(b"Matrix").unwrap_or([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]));
        let own = dict.get::<Dict<'_>>(b"Resources").map(Resources::new);
        self.run(&content, own.as_ref().unwrap_or(resources), state, depth + 1)
    }

    /// Shows a string, and moves the text matrix to its end (9.4.4).
    fn show(&mut self, state: &State<'a>, text: &mut Affine, bytes: &[u8]) -> Result<(), Error> {
        self.work.spend(bytes.len() as u64)?;
        let fallback = || self.drawing.fonts.fallback();
        let Some(face) = state.font.clone().or_else(|| fallback().filter(|_| bytes.is_ascii())) else {
            return Ok(());
        };
        let is_horizontal = face.is_horizontal();
        for (code, length) in face.codes(bytes) {
            let letter = face.letter(code);
            let space = state.letter_space + if code == 32 && length == 1 { state.word_space } else { 0.0 };
            let advance = match is_horizontal {
                true => Vec2::new(letter.advance.0 / 1_000.0 * state.size * state.stretch, 0.0),
                false => Vec2::new(0.0, letter.advance.1 / 1_000.0 * state.size),
            };
            if self.hidden == 0 && self.letters.len() < MOST_LETTERS && !letter.text.is_empty() {
                let whole = state.matrix * *text;
                let start = whole * Point::new(0.0, state.rise);
                let end = whole * (Point::new(0.0, state.rise) + advance);
                let up = whole * Point::new(0.0, state.rise + state.size) - start;
                let along = whole * Point::new(1.0, state.rise) - whole * Point::new(0.0, state.rise);
                self.letters.push(Glyph {
                    text: letter.text,
                    start,
                    end,
                    size: up.hypot() * face.scale,
                    // The line's direction: for vertical writing, down.
                    direction: if is_horizontal { along } else { -up },
                });
            }
            let space =
                if is_horizontal { Vec2::new(space * state.stretch, 0.0) } else { Vec2::new(0.0, space) };
            *text *= Affine::translate(advance + space);
        }
        Ok(())
    }

    fn mark(&self, tag: &Name<'_>, properties: &Object<'_>, resources: &Resources<'a>) -> Mark {
        match properties {
            Object::Name(name) if tag.as_ref() == b"OC" => {
                let id = resources.properties.get_ref(name).map(ObjectIdentifier::from);
                let dict = resources.properties.get::<Dict<'_>>(name);
                if self.drawing.layers.hide(id, dict.as_ref()) { Mark::Hidden } else { Mark::Plain }
            }
            Object::Name(name) => {
                resources.properties.get::<Dict<'_>>(name).map_or(Mark::Plain, |dict| self.actual(&dict))
            }
            Object::Dict(dict) => self.actual(dict),
            _ => Mark::Plain,
        }
    }

    fn actual(&self, properties: &Dict<'_>) -> Mark {
        match properties.get::<hayro_syntax::object::String<'_>>(b"ActualText") {
            Some(text) => Mark::Actual(text_string(text.as_bytes()), self.letters.len()),
            None => Mark::Plain,
        }
    }

    fn begin(&mut self, mark: Mark) {
        self.hidden += usize::from(matches!(mark, Mark::Hidden));
        self.marks.push(mark);
    }

    fn end(&mut self) {
        match self.marks.pop() {
            Some(Mark::Hidden) => self.hidden -= 1,
            Some(Mark::Actual(text, first)) if self.letters.len() > first => {
                let (start, end) = (&self.letters[first], &self.letters[self.letters.len() - 1]);
                let text: String = text.chars().filter(|letter| !letter.is_control()).take(1_000).collect();
                let whole = Glyph { text: text.into(), end: end.end, ..start.clone() };
                self.letters.truncate(first);
                if !whole.text.is_empty() {
                    self.letters.push(whole);
                }
            }
            _ => {}
        }
    }
}

fn affine(numbers: [Number; 6]) -> Affine {
    Affine::new(numbers.map(|number| number.as_f64()))
}
