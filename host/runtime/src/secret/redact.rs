//! Finds secrets in what is read, also where one is cut in two between pieces. The work is in proportion to
//! what is read, whatever it says: others choose it.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Secret, SecretEncoding};

/// What stands in a secret's place.
pub(super) const MARK: &str = "[redacted]";

/// Shorter values are not looked for: they would be found where they only happen to stand.
const SHORTEST: usize = 6;

/// All encodings of some secrets.
#[derive(Default)]
pub(super) struct Redactor {
    /// None where there is nothing to look for.
    finder: Option<AhoCorasick>,
    needles: Vec<Vec<u8>>,
    longest: usize,
}

impl Redactor {
    pub(super) fn new<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let raw = secret.encoded(SecretEncoding::Raw);
            if raw.len() < SHORTEST {
                continue;
            }
            for encoding in [SecretEncoding::Raw, SecretEncoding::Json, SecretEncoding::Url] {
                needles.push(secret.encoded(encoding).to_vec());
            }
            // Inside a longer encoded text (`user:secret`) a secret may begin at any of three bit offsets.
            needles.extend((0..3).map(|offset| base64_at(offset, raw)));
        }
        needles.retain(|needle| needle.len() >= SHORTEST);
        needles.sort_unstable();
        needles.dedup();
        if needles.is_empty() {
            return Self::default();
        }
        let longest = needles.iter().map(Vec::len).max().unwrap_or(0);
        match finder(&needles) {
            Ok(finder) => Self { finder: Some(finder), needles, longest },
            // Never with secrets of the length that is allowed; without a finder nothing may be shown.
            Err(error) => panic!("secrets that cannot be looked for: {error}"),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// None if there is no secret in it.
    pub(super) fn redact(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut found = self.finder.as_ref()?.find_iter(bytes).peekable();
        found.peek()?;
        let (mut out, mut done) = (Vec::with_capacity(bytes.len()), 0);
        for secret in found {
            out.extend_from_slice(&bytes[done..secret.start()]);
            out.extend_from_slice(MARK.as_bytes());
            done = secret.end();
        }
        out.extend_from_slice(&bytes[done..]);
        Some(out)
    }

    /// Where, from `from` on, a secret may begin that ends in a later piece; the length if none may.
    fn open_end(&self, bytes: &[u8], from: usize) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1)).max(from);
        let may_go_on = |start: usize| {
            let tail = &bytes[start..];
            self.needles.iter().any(|needle| needle.len() > tail.len() && needle.starts_with(tail))
        };
        (from..bytes.len()).find(|&start| may_go_on(start)).unwrap_or(bytes.len())
    }
}

/// Of two secrets that begin together the longer is found.
fn finder(needles: &[Vec<u8>]) -> Result<AhoCorasick, BuildError> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(needles)
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} encodings)", self.needles.len())
    }
}

/// The digits of `value` that are the same whatever stands before and after it, when it begins `offset`
/// bytes into a group of three.
fn base64_at(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut shifted = vec![0; offset];
    shifted.extend_from_slice(value);
    let digits = STANDARD_NO_PAD.encode(&shifted);
    let (first, last) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
    digits.as_bytes()[first..last].to_vec()
}

/// Takes secrets out of a body that comes in pieces. Only what may be the beginning of a secret is held
/// back, so that a stream is not delayed.
pub(crate) struct StreamRedactor {
    redactor: Arc<Redactor>,
    held: Vec<u8>,
}

impl StreamRedactor {
    pub(super) fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, held: Vec::new() }
    }

    /// What is certain after another piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let Some(finder) = &self.redactor.finder else { return bytes };
        let mut open = self.redactor.open_end(&bytes, 0);
        let (mut out, mut done) = (Vec::new(), 0);
        for secret in finder.find_iter(&bytes) {
            if secret.start() >= open {
                // A longer secret may begin at the same place or before.
                break;
            }
            out.extend_from_slice(&bytes[done..secret.start()]);
            out.extend_from_slice(MARK.as_bytes());
            done = secret.end();
            if done > open {
                open = self.redactor.open_end(&bytes, done);
            }
        }
        if done == 0 && open == bytes.len() {
            return bytes;
        }
        out.extend_from_slice(&bytes[done..open]);
        self.held = bytes.split_off(open);
        out
    }

    /// What was held back, at the end of the body.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.redactor.redact(&self.held).unwrap_or(self.held)
    }
}
