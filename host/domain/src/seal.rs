//! Values that must be read back, sealed with XChaCha20-Poly1305 under a master key that is kept apart from them.
//!
//! A sealed value belongs to its place: the words that name it (whose it is, what it is called, where it may be
//! sent) are authenticated with it, so that nobody who can write to the database puts one value in another's place.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::hex;
use crate::time::Rng;

const PREFIX: &str = "hp_master_";
const KEY: usize = 32;
const NONCE: usize = 24;
/// Hex digits of the key, and of the CRC32 behind it.
const DIGITS: usize = 2 * KEY;
const CHECK_DIGITS: usize = 8;
/// What of a key's hash is its id.
const ID_BYTES: usize = 6;

/// Why a text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Another prefix, another length, or other characters.
    #[error("not a master key: `hardpoint secrets new-key` makes one")]
    Shape,
    /// Mistyped or cut.
    #[error("the master key's checksum does not fit: a character was mistyped or lost")]
    Checksum,
}

/// Why a value was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key that it was sealed under is not there.
    #[error("it was sealed under the master key {0}, which is not here")]
    NoKey(String),
    /// It was changed, or stands in another's place.
    #[error("it is not what was sealed here")]
    Broken,
    /// More than the cipher takes.
    #[error("it is too long to be sealed")]
    TooLong,
}

/// A key that seals. Never shown; its id tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    id: String,
    bytes: [u8; KEY],
}

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that opens it.
    pub key_id: String,
    /// A nonce of 24 bytes, then what was sealed.
    pub bytes: Vec<u8>,
}

/// The master keys that are here, oldest first: the last one seals, all of them open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring(Vec<MasterKey>);

impl MasterKey {
    /// A new key.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut bytes = [0; KEY];
        rng.fill(&mut bytes);
        Self::new(bytes)
    }

    fn new(bytes: [u8; KEY]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"hardpoint master key id\0");
        hash.update(bytes);
        Self { id: format!("mk_{}", hex::show(&hash.finalize()[..ID_BYTES])), bytes }
    }

    /// A key as it stands in a file or the environment.
    ///
    /// # Errors
    /// If the text is none, or its checksum does not fit.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let digits = text.strip_prefix(PREFIX).ok_or(MasterKeyError::Shape)?;
        if digits.len() != DIGITS + CHECK_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(MasterKeyError::Shape);
        }
        let (digits, check) = digits.split_at(DIGITS);
        if checksum(digits) != check {
            return Err(MasterKeyError::Checksum);
        }
        let mut bytes = [0; KEY];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| MasterKeyError::Shape)?;
        }
        Ok(Self::new(bytes))
    }

    /// `mk_…`: by what keys are told apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Another key that comes from this one, for a purpose of its own: it tells nothing of this one, nor of those for
    /// other purposes.
    pub fn derive(&self, purpose: &str) -> [u8; KEY] {
        let mut hash = Sha256::new();
        hash.update(b"hardpoint derived key v1\0");
        hash.update(self.bytes);
        hash.update(purpose);
        hash.finalize().into()
    }

    /// The whole text, to be kept where nobody else reads it.
    pub fn reveal(&self) -> String {
        let digits = hex::show(&self.bytes);
        format!("{PREFIX}{digits}{}", checksum(&digits))
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// If it is longer than the cipher takes, some 256 GiB.
    pub fn seal(&self, place: &[&str], value: &[u8], rng: &dyn Rng) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE];
        rng.fill(&mut nonce);
        let payload = Payload { msg: value, aad: &bound_to(place) };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
        Ok(Sealed { key_id: self.id.clone(), bytes: [nonce.as_slice(), &sealed].concat() })
    }

    fn open(&self, place: &[&str], bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(SealError::Broken)?;
        let payload = Payload { msg: sealed, aad: &bound_to(place) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Broken)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.bytes.into())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl Keyring {
    /// Keys separated by white space, oldest first; what stands behind a `#` is no key.
    ///
    /// # Errors
    /// If one of them is none.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line));
        lines.flat_map(str::split_whitespace).map(MasterKey::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Adds keys that are newer; those that are here already stay where they are.
    pub fn extend(&mut self, newer: Self) {
        for key in newer.0 {
            if self.find(&key.id).is_none() {
                self.0.push(key);
            }
        }
    }

    /// The key that seals; none where there is no key at all.
    pub fn newest(&self) -> Option<&MasterKey> {
        self.0.last()
    }

    /// The keys, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        self.0.iter()
    }

    /// The keys' ids, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(MasterKey::id)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was sealed for this place.
    ///
    /// # Errors
    /// If its key is not here, it was changed, or it was sealed for another place.
    pub fn open(&self, place: &[&str], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let key = self.find(&sealed.key_id).ok_or_else(|| SealError::NoKey(sealed.key_id.clone()))?;
        key.open(place, &sealed.bytes)
    }

    fn find(&self, id: &str) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

/// The words of a place, each with its length before it: no two places are the same bytes.
fn bound_to(place: &[&str]) -> Vec<u8> {
    let mut bytes = b"hardpoint sealed v1".to_vec();
    for word in place {
        bytes.extend((word.len() as u64).to_be_bytes());
        bytes.extend(word.as_bytes());
    }
    bytes
}

fn checksum(digits: &str) -> String {
    format!("{:08x}", crc32fast::hash(digits.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Counting(u8);
    impl crate::time::Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = self.0.wrapping_add(at as u8));
        }
    }

    fn keyring(starts: &[u8]) -> Keyring {
        let texts: Vec<String> =
            starts.iter().map(|&start| MasterKey::generate(&Counting(start)).reveal()).collect();
        Keyring::parse(&texts.join("\n")).unwrap()
    }

    const PLACE: &[&str] = &["secret", "platform", "openai"];

    #[test]
    fn a_key_is_read_back_and_never_shown() {
        let key = MasterKey::generate(&Counting(0));
        assert!(key.reveal().starts_with("hp_master_000102030405"), "{}", key.reveal());
        assert_eq!(MasterKey::parse(&key.reveal()), Ok(key.clone()));
        assert!(!format!("{key:?}").contains("000102"));
        let text = key.reveal();
        for (bad, error) in [
            (String::new(), MasterKeyError::Shape),
            (text[1..].to_owned(), MasterKeyError::Shape),
            (format!("{text}0"), MasterKeyError::Shape),
            (text.replace("0001", "zz01"), MasterKeyError::Shape),
            (text.replace("0001", "0002"), MasterKeyError::Checksum),
        ] {
            assert_eq!(MasterKey::parse(&bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn the_last_key_seals_and_all_of_them_open() {
        let (old, both) = (keyring(&[1]), keyring(&[1, 2]));
        let early = old.newest().unwrap().seal(PLACE, b"sk-1", &Counting(9)).unwrap();
        let late = both.newest().unwrap().seal(PLACE, b"sk-2", &Counting(9)).unwrap();
        assert_ne!(early.key_id, late.key_id);
        assert_eq!(both.open(PLACE, &early).as_deref(), Ok(b"sk-1".as_slice()));
        assert_eq!(both.open(PLACE, &late).as_deref(), Ok(b"sk-2".as_slice()));
        assert_eq!(old.open(PLACE, &late), Err(SealError::NoKey(late.key_id.clone())));
        let mut joined = old.clone();
        joined.extend(both.clone());
        assert_eq!(joined, both);
        assert!(Keyring::parse("# none\n\n").unwrap().is_empty());
    }

    #[test]
    fn derived_keys_differ_by_key_and_purpose() {
        let (one, other) = (MasterKey::generate(&Counting(1)), MasterKey::generate(&Counting(2)));
        assert_eq!(one.derive("a"), one.derive("a"));
        assert_ne!(one.derive("a"), one.derive("b"));
        assert_ne!(one.derive("a"), other.derive("a"));
        assert_ne!(one.derive("").as_slice(), &one.bytes);
    }

    #[test]
    fn a_value_belongs_to_its_place() {
        let keys = keyring(&[1]);
        let sealed = keys.newest().unwrap().seal(PLACE, b"sk-1", &Counting(9)).unwrap();
        for other in [
            &["secret", "platform", "other"],
            &["secret", "org_1", "openai"],
            &["secretp", "latform", "openai"],
        ] {
            assert_eq!(keys.open(other, &sealed), Err(SealError::Broken), "{other:?}");
        }
        let cut = Sealed { bytes: sealed.bytes[..10].to_vec(), ..sealed.clone() };
        assert_eq!(keys.open(PLACE, &cut), Err(SealError::Broken));
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_found(value: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
            let keys = keyring(&[7]);
            let mut sealed = keys.newest().unwrap().seal(PLACE, &value, &Counting(9)).unwrap();
            prop_assert_eq!(keys.open(PLACE, &sealed), Ok(value));
            let at = at.index(sealed.bytes.len());
            sealed.bytes[at] ^= 1 << bit;
            prop_assert_eq!(keys.open(PLACE, &sealed), Err(SealError::Broken));
        }
    }
}
