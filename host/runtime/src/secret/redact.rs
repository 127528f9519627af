//! Finds secrets in what is read, also where one is cut in two between pieces.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem::Finder;

use super::{Secret, SecretEncoding};

/// What stands in a secret's place.
pub(super) const MARK: &str = "[redacted]";

/// Shorter values are not looked for: they would be found where they only happen to stand.
const SHORTEST: usize = 6;

/// All encodings of some secrets.
#[derive(Default)]
pub(super) struct Redactor {
    needles: Vec<Finder<'static>>,
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
        let longest = needles.iter().map(Vec::len).max().unwrap_or(0);
        Self { needles: needles.iter().map(|needle| Finder::new(needle).into_owned()).collect(), longest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// None if there is no secret in it.
    pub(super) fn redact(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut next = self.first(bytes)?;
        let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
        loop {
            out.extend_from_slice(&rest[..next.0]);
            out.extend_from_slice(MARK.as_bytes());
            rest = &rest[next.1..];
            match self.first(rest) {
                Some(found) => next = found,
                None => break,
            }
        }
        out.extend_from_slice(rest);
        Some(out)
    }

    /// Beginning and end of the first secret; of two that begin together the longer.
    fn first(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let found = |needle: &Finder<'_>| needle.find(bytes).map(|at| (at, at + needle.needle().len()));
        self.needles.iter().filter_map(found).min_by_key(|&(start, end)| (start, usize::MAX - end))
    }

    /// Where a secret may begin that ends in a later piece; the length if none may.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let may_go_on = |start: usize| {
            let tail = &bytes[start..];
            self.needles
                .iter()
                .any(|needle| needle.needle().len() > tail.len() && needle.needle().starts_with(tail))
        };
        (from..bytes.len()).find(|&start| may_go_on(start)).unwrap_or(bytes.len())
    }
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
        let mut out = Vec::new();
        let mut done = 0;
        loop {
            let rest = &bytes[done..];
            let open = self.redactor.open_end(rest);
            match self.redactor.first(rest) {
                // A longer secret may begin at the same place or before.
                Some((start, end)) if start < open => {
                    out.extend_from_slice(&rest[..start]);
                    out.extend_from_slice(MARK.as_bytes());
                    done += end;
                }
                _ if done == 0 && open == bytes.len() => return bytes,
                _ => {
                    out.extend_from_slice(&rest[..open]);
                    self.held = rest[open..].to_vec();
                    return out;
                }
            }
        }
    }

    /// What was held back, at the end of the body.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.redactor.redact(&self.held).unwrap_or(self.held)
    }
}
