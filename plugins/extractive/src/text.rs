//! Sentences, words and tokens.

use alloc::string::String;
use alloc::vec::Vec;

/// The sentences of a text, trimmed, none empty. A line break ends one, and so does a full stop, question
/// or exclamation mark before white space, unless what follows shows that the sentence goes on.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let after = at + character.len_utf8();
        let ends = match character {
            '\n' | '。' | '！' | '？' => true,
            '!' | '?' => next.is_none_or(char::is_whitespace),
            '.' => next.is_none_or(char::is_whitespace) && !goes_on(&text[start..at], &text[after..]),
            _ => false,
        };
        if ends {
            push(&mut found, &text[start..after]);
            start = after;
        }
    }
    push(&mut found, &text[start..]);
    found
}

fn push<'t>(found: &mut Vec<&'t str>, sentence: &'t str) {
    let sentence = sentence.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '*' | '•' | '#'));
    if sentence.chars().any(char::is_alphanumeric) {
        found.push(sentence);
    }
}

/// Whether a full stop ends an abbreviation and no sentence: a single letter before it, or a small letter
/// after it.
fn goes_on(before: &str, after: &str) -> bool {
    let last = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic);
    initial || after.trim_start().chars().next().is_some_and(char::is_lowercase)
}

/// Calls `each` with the words of a text as they are compared: small letters, without common endings,
/// function words left out. Scripts without spaces give one word a character.
pub(crate) fn for_each_word(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            word.push(character.to_ascii_lowercase());
        } else if is_ideograph(character) {
            finish(&mut word, &mut each);
            each(character.encode_utf8(&mut [0; 4]));
        } else if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        } else if !matches!(character, '\'' | '’') {
            finish(&mut word, &mut each);
        }
    }
    finish(&mut word, &mut each);
}

fn finish(word: &mut String, each: &mut impl FnMut(&str)) {
    if !word.is_empty() && FUNCTION_WORDS.binary_search(&word.as_str()).is_err() {
        stem(word);
        each(word);
    }
    word.clear();
}

/// Takes the commonest English endings off, so that `towers` finds `tower`. Short words stay.
fn stem(word: &mut String) {
    const ENDINGS: [(&str, usize, &str); 8] = [
        ("ies", 5, "y"),
        ("sses", 6, "ss"),
        ("ing", 6, ""),
        ("ed", 5, ""),
        ("es", 5, "e"),
        ("ly", 6, ""),
        ("ss", 3, "ss"),
        ("s", 4, ""),
    ];
    for (ending, at_least, instead) in ENDINGS {
        if word.len() >= at_least && word.ends_with(ending) {
            word.truncate(word.len() - ending.len());
            word.push_str(instead);
            break;
        }
    }
    // `build`, `builds` and `building` meet; so do `place`, `places` and `placed`.
    if word.len() > 3 && word.ends_with('e') {
        word.pop();
    }
}

fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// How many tokens a text counts for: one for each word and one for each other visible character.
pub(crate) fn count_tokens(text: &str) -> u64 {
    tokens(text).count() as u64
}

/// The ends of a text's tokens, in bytes.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = usize> {
    let mut characters = text.char_indices().peekable();
    core::iter::from_fn(move || {
        loop {
            let (at, character) = characters.next()?;
            if character.is_whitespace() {
                continue;
            }
            let mut end = at + character.len_utf8();
            if character.is_alphanumeric() && !is_ideograph(character) {
                while let Some((at, more)) =
                    characters.next_if(|(_, c)| c.is_alphanumeric() && !is_ideograph(*c))
                {
                    end = at + more.len_utf8();
                }
            }
            return Some(end);
        }
    })
}

/// In order, to be found quickly.
const FUNCTION_WORDS: [&str; 74] = [
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into",
    "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "please", "shall", "she", "should",
    "so", "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those",
    "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with", "would",
    "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_people_end_them() {
        let text = "Dr. A. Smith came at 3.14 p.m. on Monday. Why? Nobody knows!\n- a point\n\n東京。大阪";
        let found = sentences(text);
        assert_eq!(
            found,
            [
                "Dr.",
                "A. Smith came at 3.14 p.m. on Monday.",
                "Why?",
                "Nobody knows!",
                "a point",
                "東京。",
                "大阪"
            ]
        );
        assert!(sentences(" \n .. !").is_empty());
    }

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for_each_word(text, |word| words.push(word.into()));
        words
    }

    #[test]
    fn words_meet_their_other_forms() {
        assert!(FUNCTION_WORDS.is_sorted());
        for (one, other) in
            [("towers", "tower"), ("building", "builds"), ("placed", "places"), ("cities", "city")]
        {
            assert_eq!(words(one), words(other), "{one} {other}");
        }
        assert_eq!(words("What is the GLASS of?"), ["glass"]);
        assert_eq!(words("東京tower"), ["東", "京", "tower"]);
        assert_eq!(words("It's ÜBER-naïve 3.5"), ["über", "naïv", "3", "5"]);
    }

    #[test]
    fn tokens_are_words_and_marks() {
        assert_eq!(count_tokens("Hello, world! 3.5"), 7);
        assert_eq!(count_tokens(" \n"), 0);
        assert_eq!(tokens("ab, ć").collect::<Vec<_>>(), [2, 3, 6]);
    }
}
