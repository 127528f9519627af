//! From text to the terms that are indexed and looked for: the same for both.
//!
//! Words are runs of letters and digits, in Unicode's compatibility form, lower case and without diacritics. Words
//! of a-z are stemmed as English: nothing says which language a text is in, and the stemmer leaves what is no
//! English nearly alone, in texts and questions alike. Scripts that put no spaces between words, and Hangul, give
//! overlapping pairs of characters, so that any word of two or more is found.

use frostem::{Algorithm, Stemmer};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a term; the rest of a longer word (base64, mostly) is not looked at.
const LONGEST_TERM: usize = 64;

/// The tokenizer of the text field.
#[derive(Clone, Debug, Default)]
pub(super) struct Analyzer;

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        Terms { left: terms(text).into_iter(), position: 0, token: Token::default() }
    }
}

/// The terms of one text.
pub(super) struct Terms {
    left: std::vec::IntoIter<String>,
    position: usize,
    token: Token,
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(text) = self.left.next() else { return false };
        self.token = Token { position: self.position, text, ..Token::default() };
        self.position += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// The terms of `text`, in order.
pub(super) fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::new(Algorithm::English);
    words(text).into_iter().map(|word| stemmed(&stemmer, word)).collect()
}

/// The words of `text` as they are before stemming, in order.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Words::default();
    if text.is_ascii() {
        text.chars().for_each(|c| words.take(c.to_ascii_lowercase()));
    } else {
        // Composed again without the marks: a syllable of Hangul is one character, not two or three.
        let plain = text.nfkd().filter(|c| !is_dropped_mark(*c)).nfc();
        plain.flat_map(char::to_lowercase).for_each(|c| words.take(c));
    }
    words.finish()
}

/// A word of English without its ending; any other as it is.
pub(super) fn stemmed(stemmer: &Stemmer, word: String) -> String {
    let is_english = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'\'');
    if is_english { stemmer.stem(&word).into_owned() } else { word }
}

/// Cuts a stream of characters into words.
#[derive(Default)]
struct Words {
    words: Vec<String>,
    /// The word that goes on, and how many characters it has.
    word: String,
    length: usize,
    /// An apostrophe that is part of the word if a letter follows.
    apostrophe: bool,
    /// The last character of a run without spaces, and whether it is in a pair already.
    unspaced: Option<(char, bool)>,
}

impl Words {
    fn take(&mut self, c: char) {
        if is_unspaced(c) {
            self.end_word();
            self.pair(c);
        } else if c.is_alphanumeric() || (is_combining_mark(c) && !self.word.is_empty()) {
            self.end_run();
            self.letter(c);
        } else if matches!(c, '\'' | '\u{2019}') && !self.word.is_empty() && !self.apostrophe {
            self.apostrophe = true;
        } else {
            self.end_word();
            self.end_run();
        }
    }

    fn letter(&mut self, c: char) {
        if std::mem::take(&mut self.apostrophe) {
            self.push('\'');
        }
        self.push(c);
    }

    fn push(&mut self, c: char) {
        if self.length < LONGEST_TERM {
            self.word.push(c);
            self.length += 1;
        }
    }

    fn pair(&mut self, c: char) {
        if let Some((before, _)) = self.unspaced {
            self.words.push([before, c].iter().collect());
            self.unspaced = Some((c, true));
        } else {
            self.unspaced = Some((c, false));
        }
    }

    fn end_word(&mut self) {
        self.apostrophe = false;
        self.length = 0;
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn end_run(&mut self) {
        if let Some((c, false)) = self.unspaced.take() {
            self.words.push(c.to_string());
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.end_word();
        self.end_run();
        self.words
    }
}

/// Without them `café` is found by `cafe`: diacritics of Latin, Greek and Cyrillic, and the vowel points of Hebrew and Arabic, which few people write.
fn is_dropped_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{64B}'..='\u{65F}' | '\u{670}')
}

/// Chinese, Japanese, Korean (by syllable), Thai, Lao, Burmese and Khmer.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7FF}'
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_their_terms() {
        let table: [(&str, &[&str]); 13] = [
            ("", &[]),
            (" \"--\" ?! ", &[]),
            ("Flying planes, FLIES", &["fli", "plane", "fli"]),
            ("café CAFÉ cafe\u{301}", &["cafe", "cafe", "cafe"]),
            ("the pilot's log isn\u{2019}t 'quoted'", &["the", "pilot", "log", "isn't", "quot"]),
            ("AIM-9X v2.3", &["aim", "9x", "v2", "3"]),
            ("Straße größer", &["straße", "großer"]),
            ("東京都 大", &["東京", "京都", "大"]),
            ("iPhone東京15", &["iphon", "東京", "15"]),
            ("データ 한국어", &["デー", "ータ", "한국", "국어"]),
            ("ﬁne ２０２４", &["fine", "2024"]),
            ("עִבְרִית العَرَبِيّة", &["עברית", "العربية"]),
            ("हिन्दी", &["हिन्दी"]),
        ];
        for (text, expected) in table {
            assert_eq!(terms(text), expected, "{text}");
        }
        assert_eq!(terms(&"x".repeat(1_000)), ["x".repeat(64)]);
    }
}
