//! The text of an API key, and of a session's token. Only its SHA-256 is ever stored; a mistyped one is refused by
//! its checksum before anything is looked up.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::time::Rng;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LIVE: &str = "hp_live_";
const TEST: &str = "hp_test_";
const SESSION: &str = "adm_";
/// 160 bits in base62.
const RANDOM_DIGITS: usize = 27;
/// 32 bits in base62.
const CHECK_DIGITS: usize = 6;

/// Whether a key may reach outside services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It may.
    Live,
    /// It may not: answers come from the `extractive` model.
    Test,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another prefix, another length, or other characters.
    #[error("not a Hardpoint key")]
    Shape,
    /// Mistyped or cut.
    #[error("the key's checksum does not fit: a character was mistyped or lost")]
    Checksum,
}

/// A key as its holder sees it: `hp_live_` or `hp_test_`, 160 random bits and a CRC32, both in base62.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl KeyText {
    /// A new key.
    pub fn generate(mode: Mode, rng: &dyn Rng) -> Self {
        Self(random_text(if mode == Mode::Live { LIVE } else { TEST }, rng))
    }

    /// A key that somebody sent.
    ///
    /// # Errors
    /// If the text is no key, or its checksum does not fit.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        checked(text, &[LIVE, TEST]).map(Self)
    }

    /// What the store keeps in the key's place: SHA-256 of the whole text.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Live or test.
    pub fn mode(&self) -> Mode {
        if self.0.starts_with(LIVE) { Mode::Live } else { Mode::Test }
    }

    /// By what people tell their keys apart: the prefix and the last four characters.
    pub fn hint(&self) -> String {
        let (prefix, digits) = self.0.split_at(LIVE.len());
        format!("{prefix}…{}", &digits[digits.len() - 4..])
    }

    /// The whole text, to be shown to its holder once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({})", self.hint())
    }
}

/// The token of somebody who logged in: `adm_`, then as in a key.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// A new token.
    pub fn generate(rng: &dyn Rng) -> Self {
        Self(random_text(SESSION, rng))
    }

    /// Whether a text means to be a token and not a key.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SESSION)
    }

    /// A token that somebody sent.
    ///
    /// # Errors
    /// If the text is no token, or its checksum does not fit.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        checked(text, &[SESSION]).map(Self)
    }

    /// What the store keeps in its place: SHA-256 of the whole text.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The whole text, to be shown to its holder once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A prefix, 160 random bits and a CRC32 of both.
fn random_text(prefix: &str, rng: &dyn Rng) -> String {
    let mut random = [0; 20];
    rng.fill(&mut random);
    let mut text = String::with_capacity(prefix.len() + RANDOM_DIGITS + CHECK_DIGITS);
    text.push_str(prefix);
    text.push_str(&base62::<RANDOM_DIGITS>(random));
    text.push_str(&checksum(&text));
    text
}

/// The text, if it is one of [`random_text`] with one of these prefixes.
fn checked(text: &str, prefixes: &[&str]) -> Result<String, KeyError> {
    let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).ok_or(KeyError::Shape)?;
    if digits.len() != RANDOM_DIGITS + CHECK_DIGITS || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(KeyError::Shape);
    }
    let (body, check) = text.split_at(text.len() - CHECK_DIGITS);
    if checksum(body) == check { Ok(text.to_owned()) } else { Err(KeyError::Checksum) }
}

fn checksum(body: &str) -> String {
    base62::<CHECK_DIGITS>(crc32fast::hash(body.as_bytes()).to_be_bytes())
}

/// A big-endian number in exactly `WIDTH` digits, by long division.
fn base62<const WIDTH: usize>(number: impl AsMut<[u8]>) -> String {
    let mut number = number;
    let mut digits = [b'0'; WIDTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in number.as_mut() {
            let value = remainder << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fixed([u8; 20]);
    impl crate::time::Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0[..bytes.len()]);
        }
    }

    #[test]
    fn known_keys() {
        let lowest = KeyText::generate(Mode::Test, &Fixed([0; 20]));
        assert_eq!(&lowest.reveal()[..35], "hp_test_000000000000000000000000000");
        let highest = KeyText::generate(Mode::Live, &Fixed([255; 20]));
        // 2^160 - 1 in base62.
        assert_eq!(&highest.reveal()[..35], "hp_live_aWgEPTl1tmebfsQzFP4bxwgy80V");
        assert_eq!(highest.hint(), format!("hp_live_…{}", &highest.reveal()[37..]));
        assert!(!format!("{highest:?}").contains("aWgEPT"));
    }

    #[test]
    fn texts_that_are_no_keys() {
        let good = KeyText::generate(Mode::Live, &Fixed([7; 20])).reveal().to_owned();
        let shapes = [
            "".into(),
            "hp_live_".into(),
            good[1..].to_owned(),
            format!("{good}0"),
            good.replace("hp_live_", "sk-"),
        ];
        for text in shapes {
            assert_eq!(KeyText::parse(&text), Err(KeyError::Shape), "{text}");
        }
        assert_eq!(KeyText::parse(&good.replace("live", "test")), Err(KeyError::Checksum));
        assert_eq!(KeyText::parse(&format!("{}ä", &good[..good.len() - 2])), Err(KeyError::Shape));
    }

    #[test]
    fn a_token_is_no_key() {
        let token = SessionToken::generate(&Fixed([7; 20]));
        assert_eq!(SessionToken::parse(token.reveal()), Ok(token.clone()));
        assert_eq!(KeyText::parse(token.reveal()), Err(KeyError::Shape));
        let last = if token.reveal().ends_with('0') { '1' } else { '0' };
        let mistyped = format!("{}{last}", &token.reveal()[..token.reveal().len() - 1]);
        assert_eq!(SessionToken::parse(&mistyped), Err(KeyError::Checksum));
        let key = KeyText::generate(Mode::Live, &Fixed([7; 20]));
        assert_eq!(SessionToken::parse(key.reveal()), Err(KeyError::Shape));
        assert!(SessionToken::is_meant(token.reveal()) && !SessionToken::is_meant(key.reveal()));
        assert!(!format!("{token:?}").contains(&token.reveal()[4..9]));
    }

    proptest! {
        #[test]
        fn every_key_is_read_back(random: [u8; 20], live: bool) {
            let mode = if live { Mode::Live } else { Mode::Test };
            let key = KeyText::generate(mode, &Fixed(random));
            let read = KeyText::parse(key.reveal()).unwrap();
            prop_assert_eq!(read.hash(), key.hash());
            prop_assert_eq!(read.mode(), mode);
        }

        #[test]
        fn one_changed_character_is_found(random: [u8; 20], at in 0_usize..41, with in 0_usize..62) {
            let key = KeyText::generate(Mode::Live, &Fixed(random));
            let mut text = key.reveal().as_bytes().to_vec();
            prop_assume!(text[at] != DIGITS[with]);
            text[at] = DIGITS[with];
            prop_assert!(KeyText::parse(std::str::from_utf8(&text).unwrap()).is_err());
        }
    }
}
