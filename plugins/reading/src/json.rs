//! JSON as lines of `path: value`. Read in one pass and without a tree, so memory is bounded by depth and by the
//! longest value; lines of JSON are values one after another.

use crate::Source;
use crate::decode::Text;
use crate::pages::Pages;
use crate::unreadable::{Error, Unreadable};

const DEEPEST: usize = 200;
/// One value of text, in bytes.
const LONGEST_VALUE: usize = 8 << 20;
/// What is written of a path, in bytes.
const LONGEST_PATH: usize = 200;

/// Where in a document a value stands.
enum Step {
    Member(String),
    /// The index of the element that is being read.
    Element(usize),
}

pub(crate) fn read(source: &dyn Source, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut reader = Reader { letters: Letters::new(source)?, path: Vec::new(), total: source.len() };
    let mut has_value = false;
    while reader.letters.skip_blank()?.is_some() {
        reader.value(pages)?;
        has_value = true;
    }
    if has_value { Ok(()) } else { Err(Unreadable::NoText("").into()) }
}

struct Reader<'s> {
    letters: Letters<'s>,
    path: Vec<Step>,
    total: u64,
}

impl Reader<'_> {
    /// One value with all that is in it: a loop over what is open, no recursion.
    fn value(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        loop {
            let mut ended = match self.letters.skip_blank()? {
                Some('{') => {
                    self.letters.bump()?;
                    self.open(Step::Member(String::new()))?;
                    if self.letters.skip_blank()? == Some('}') {
                        self.letters.bump()?;
                        self.path.pop();
                        true
                    } else {
                        self.member()?;
                        false
                    }
                }
                Some('[') => {
                    self.letters.bump()?;
                    self.open(Step::Element(0))?;
                    if self.letters.skip_blank()? == Some(']') {
                        self.letters.bump()?;
                        self.path.pop();
                        true
                    } else {
                        false
                    }
                }
                Some('"') => {
                    let text = self.letters.string()?;
                    self.line(&text, pages)?;
                    true
                }
                Some(_) => {
                    let text = self.letters.bare()?;
                    self.line(if text == "null" { "" } else { &text }, pages)?;
                    true
                }
                None => return Err(Unreadable::Truncated("a value is missing at its end").into()),
            };
            // What a value ends may end in turn.
            while ended {
                let Some(open) = self.path.last_mut() else { return Ok(()) };
                match (self.letters.skip_blank()?, open) {
                    (Some(','), Step::Element(index)) => {
                        *index += 1;
                        self.letters.bump()?;
                        ended = false;
                    }
                    (Some(','), Step::Member(_)) => {
                        self.letters.bump()?;
                        self.member()?;
                        ended = false;
                    }
                    (Some(']'), Step::Element(_)) | (Some('}'), Step::Member(_)) => {
                        self.letters.bump()?;
                        self.path.pop();
                    }
                    (None, _) => return Err(Unreadable::Truncated("a bracket is not closed").into()),
                    (Some(letter), _) => return Err(self.letters.unexpected(letter)),
                }
            }
            pages.progress(self.letters.text.offset(), self.total);
        }
    }

    fn open(&mut self, step: Step) -> Result<(), Error> {
        self.path.push(step);
        if self.path.len() > DEEPEST { Err(Unreadable::TooDeep(DEEPEST).into()) } else { Ok(()) }
    }

    /// A member's name and its colon.
    fn member(&mut self) -> Result<(), Error> {
        match self.letters.skip_blank()? {
            Some('"') => {}
            Some(letter) => return Err(self.letters.unexpected(letter)),
            None => return Err(Unreadable::Truncated("a brace is not closed").into()),
        }
        let name = self.letters.string()?;
        if let Some(Step::Member(open)) = self.path.last_mut() {
            *open = name;
        }
        match self.letters.skip_blank()? {
            Some(':') => self.letters.bump(),
            Some(letter) => Err(self.letters.unexpected(letter)),
            None => Err(Unreadable::Truncated("a value is missing at its end").into()),
        }
    }

    fn line(&self, value: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        if value.trim().is_empty() {
            return Ok(());
        }
        let mut line = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) => {
                    if !line.is_empty() {
                        line.push('.');
                    }
                    line.push_str(name);
                }
                Step::Element(index) => line.push_str(&format!("[{index}]")),
            }
            if line.len() > LONGEST_PATH {
                line.truncate(line.floor_char_boundary(LONGEST_PATH));
                line.push('…');
                break;
            }
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(value);
        pages.line(&line)
    }
}

/// The characters of a source.
struct Letters<'s> {
    text: Text<'s>,
    piece: String,
    at: usize,
}

impl<'s> Letters<'s> {
    fn new(source: &'s dyn Source) -> Result<Self, Error> {
        Ok(Self { text: Text::new(source, None)?, piece: String::new(), at: 0 })
    }

    fn peek(&mut self) -> Result<Option<char>, Error> {
        loop {
            if let Some(letter) = self.piece[self.at..].chars().next() {
                return Ok(Some(letter));
            }
            self.piece.clear();
            self.at = 0;
            if !self.text.next(&mut self.piece)? {
                return Ok(None);
            }
        }
    }

    fn bump(&mut self) -> Result<(), Error> {
        if let Some(letter) = self.peek()? {
            self.at += letter.len_utf8();
        }
        Ok(())
    }

    fn skip_blank(&mut self) -> Result<Option<char>, Error> {
        while let Some(letter) = self.peek()? {
            // RFC 7464 puts a record separator before each value.
            if !letter.is_ascii_whitespace() && letter != '\x1e' {
                return Ok(Some(letter));
            }
            self.bump()?;
        }
        Ok(None)
    }

    fn unexpected(&self, letter: char) -> Error {
        Unreadable::Damaged(format!("it is no JSON: unexpected `{letter}` near byte {}", self.text.offset()))
            .into()
    }

    /// A number, or one of the three words.
    fn bare(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        while let Some(letter) = self.peek()? {
            if !(letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.')) || text.len() > 400 {
                break;
            }
            text.push(letter);
            self.bump()?;
        }
        let is_number = text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-')
            && text.parse::<f64>().is_ok();
        if is_number || matches!(text.as_str(), "true" | "false" | "null") {
            return Ok(text);
        }
        let wrong = text.chars().next().or(self.peek()?).unwrap_or(' ');
        Err(self.unexpected(wrong))
    }

    fn string(&mut self) -> Result<String, Error> {
        self.bump()?;
        let mut text = String::new();
        let mut high = None;
        loop {
            let Some(letter) = self.peek()? else {
                return Err(Unreadable::Truncated("a string is not closed").into());
            };
            self.bump()?;
            match letter {
                '"' => return Ok(text),
                '\\' => self.escape(&mut text, &mut high)?,
                letter => {
                    high = None;
                    text.push(letter);
                }
            }
            if text.len() > LONGEST_VALUE {
                return Err(Unreadable::TooLarge(LONGEST_VALUE as u64 >> 20).into());
            }
        }
    }

    /// `high` is the first half of a surrogate pair that waits for its second.
    fn escape(&mut self, text: &mut String, high: &mut Option<u32>) -> Result<(), Error> {
        let letter = self.peek()?.unwrap_or(' ');
        self.bump()?;
        let first = high.take();
        text.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' | 'f' => ' ',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.peek()?.and_then(|letter| letter.to_digit(16));
                    let Some(digit) = digit else { return Err(self.unexpected('u')) };
                    code = code * 16 + digit;
                    self.bump()?;
                }
                match (first, code) {
                    (_, 0xd800..=0xdbff) => {
                        *high = Some(code);
                        return Ok(());
                    }
                    (Some(first), 0xdc00..=0xdfff) => {
                        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (code - 0xdc00))
                            .unwrap_or('\u{fffd}')
                    }
                    _ => char::from_u32(code).unwrap_or('\u{fffd}'),
                }
            }
            letter => return Err(self.unexpected(letter)),
        });
        Ok(())
    }
}
