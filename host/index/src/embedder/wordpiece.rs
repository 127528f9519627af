//! BERT's tokenizer for models without case: words of letters alone, then the longest pieces that the vocabulary
//! has, from the left.

use std::collections::HashMap;

use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_normalization::UnicodeNormalization;

use super::model::{Model, NoModel};

/// Characters of a word that is cut into pieces; a longer one is unknown as a whole.
const LONGEST_WORD: usize = 100;

/// Pieces by their text.
pub(super) struct WordPiece {
    pieces: HashMap<Box<str>, u32>,
    unknown: u32,
    first: u32,
    last: u32,
    /// Tokens of a text, the two around it included.
    most: usize,
}

impl WordPiece {
    /// # Errors
    /// If the vocabulary lacks one of `[UNK]`, `[CLS]` and `[SEP]`.
    pub(super) fn of(model: &Model) -> Result<Self, NoModel> {
        let numbered = (0_u32..).zip(&model.vocabulary);
        let pieces: HashMap<Box<str>, u32> =
            numbered.map(|(token, piece)| (piece.as_str().into(), token)).collect();
        let special =
            |piece| pieces.get(piece).copied().ok_or(NoModel("its vocabulary lacks a special token"));
        let (unknown, first, last) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Ok(Self { pieces, unknown, first, last, most: model.most_tokens })
    }

    /// The tokens of a text, with the one that begins and the one that ends every text.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.first];
        let room = self.most - 1;
        for word in words(text) {
            if tokens.len() >= room {
                break;
            }
            self.cut(&word, &mut tokens);
        }
        tokens.truncate(room);
        tokens.push(self.last);
        tokens
    }

    /// Adds the pieces of one word.
    fn cut(&self, word: &str, tokens: &mut Vec<u32>) {
        let before = tokens.len();
        let mut rest = word;
        let mut prefixed = String::new();
        if word.chars().count() > LONGEST_WORD {
            return tokens.push(self.unknown);
        }
        while !rest.is_empty() {
            let Some((token, length)) = self.longest(rest, rest.len() < word.len(), &mut prefixed) else {
                tokens.truncate(before);
                return tokens.push(self.unknown);
            };
            tokens.push(token);
            rest = &rest[length..];
        }
    }

    /// The longest piece that `rest` begins with, and its length in bytes.
    fn longest(&self, rest: &str, goes_on: bool, prefixed: &mut String) -> Option<(u32, usize)> {
        prefixed.clear();
        prefixed.push_str(if goes_on { "##" } else { "" });
        let mark = prefixed.len();
        prefixed.push_str(rest);
        let ends = rest.char_indices().map(|(at, _)| at).skip(1).chain([rest.len()]);
        let ends: Vec<usize> = ends.collect();
        ends.into_iter().rev().find_map(|end| Some((*self.pieces.get(&prefixed[..mark + end])?, end)))
    }
}

/// Lower case, without accents; each sign of punctuation and each ideograph is a word.
fn words(text: &str) -> impl Iterator<Item = String> {
    let spaced = text.chars().filter(|c| !is_removed(*c)).flat_map(|c| {
        let around = is_ideograph(c).then_some(' ');
        let c = if c.is_whitespace() { ' ' } else { c };
        around.into_iter().chain([c]).chain(around)
    });
    let plain = spaced.nfd().filter(|c| get_general_category(*c) != Category::NonspacingMark);
    Words { characters: plain.flat_map(char::to_lowercase), held: None }
}

/// Cuts a stream of characters into words.
struct Words<I> {
    characters: I,
    /// Punctuation that ended the word before.
    held: Option<char>,
}

impl<I: Iterator<Item = char>> Iterator for Words<I> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(c) = self.held.take() {
            return Some(c.to_string());
        }
        let mut word = String::new();
        for c in self.characters.by_ref() {
            match (c.is_whitespace(), is_punctuation(c), word.is_empty()) {
                (true, _, true) => {}
                (true, _, false) => return Some(word),
                (_, true, true) => return Some(c.to_string()),
                (_, true, false) => {
                    self.held = Some(c);
                    return Some(word);
                }
                _ => word.push(c),
            }
        }
        (!word.is_empty()).then_some(word)
    }
}

/// What BERT takes out before it looks: NUL, the replacement character, and what shows nothing.
fn is_removed(c: char) -> bool {
    let is_space = matches!(c, '\t' | '\n' | '\r');
    c == '\u{FFFD}'
        || !is_space
            && matches!(
                get_general_category(c),
                Category::Control | Category::Format | Category::PrivateUse | Category::Unassigned
            )
}

/// Any that is not a letter, digit or space of ASCII, and Unicode's punctuation beyond.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            get_general_category(c),
            Category::ConnectorPunctuation
                | Category::DashPunctuation
                | Category::OpenPunctuation
                | Category::ClosePunctuation
                | Category::InitialPunctuation
                | Category::FinalPunctuation
                | Category::OtherPunctuation
        )
}

/// The blocks that BERT's authors named; kana and Hangul are not among them.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}
