//! From bytes to characters: by byte order mark, by what is declared, by looking at them.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::Source;
use crate::unreadable::{Error, Stopped, Unreadable};

/// What an encoding is guessed from.
const SAMPLE: usize = 1 << 20;
/// What is read at once.
const PIECE: usize = 64 << 10;

/// The first bytes of a source, at most so many.
pub(crate) fn head(source: &dyn Source, most: usize) -> Result<Vec<u8>, Stopped> {
    let mut head = vec![0; usize::try_from(source.len()).map_or(most, |length| length.min(most))];
    let mut filled = 0;
    while filled < head.len() {
        let length = source.read_at(filled as u64, &mut head[filled..])?;
        if length == 0 {
            break;
        }
        filled += length;
    }
    head.truncate(filled);
    Ok(head)
}

/// All bytes of a source.
pub(crate) fn whole(source: &dyn Source, most_mib: u64) -> Result<Vec<u8>, Error> {
    if source.len() > most_mib << 20 {
        return Err(Unreadable::TooLarge(most_mib).into());
    }
    Ok(head(source, usize::MAX)?)
}

/// Whether this may be text: no NUL where the encoding has none, and few control characters.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let (encoding, _) = encoding(head, None);
    let (text, _) = encoding.decode_without_bom_handling(head);
    let (mut strange, mut all) = (0, 0);
    for letter in text.chars() {
        all += 1;
        let is_strange = letter.is_control() && !matches!(letter, '\n' | '\r' | '\t' | '\x0c' | '\x1b');
        strange += usize::from(is_strange) + usize::from(letter == '\u{fffd}');
        if letter == '\0' {
            strange += 20;
        }
    }
    strange * 20 <= all + 20
}

/// The encoding, and the length of the byte order mark. `label` is what the document or its sender say it is.
pub(crate) fn encoding(sample: &[u8], label: Option<&str>) -> (&'static Encoding, usize) {
    if let Some(found) = Encoding::for_bom(sample) {
        return found;
    }
    // UTF-16 is told from its NULs, since nothing else that is text has any.
    if let Some(wide) = wide(sample) {
        return (wide, 0);
    }
    let is_utf8 = looks_like_utf8(sample);
    if let Some(encoding) = label.and_then(|label| Encoding::for_label(label.as_bytes())) {
        // Pages that say UTF-16 in ASCII are not.
        let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
        if !is_wide && (!is_utf8 || sample.is_ascii()) {
            return (encoding, 0);
        }
    }
    if is_utf8 {
        return (UTF_8, 0);
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() < SAMPLE);
    (detector.guess(None, chardetng::Utf8Detection::Deny), 0)
}

fn wide(sample: &[u8]) -> Option<&'static Encoding> {
    let pairs = sample.len() / 2;
    if pairs < 2 {
        return None;
    }
    let nuls = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    let (many, few) = (pairs * 2 / 5, pairs / 20);
    if odd > many && even <= few {
        Some(UTF_16LE)
    } else if even > many && odd <= few {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Valid UTF-8, or so much of it that what is not valid is damage and no other encoding.
fn looks_like_utf8(sample: &[u8]) -> bool {
    let (mut wrong, mut beyond_ascii) = (0, 0);
    for chunk in sample.utf8_chunks() {
        beyond_ascii += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        wrong += usize::from(!chunk.invalid().is_empty());
    }
    // The last one may only be cut off.
    let is_cut = std::str::from_utf8(sample).is_err_and(|error| error.error_len().is_none());
    let wrong = if is_cut { wrong - 1 } else { wrong };
    wrong == 0 || beyond_ascii >= wrong * 4
}

/// A source as UTF-8, piece by piece; line ends are line feeds.
pub(crate) struct Text<'s> {
    source: &'s dyn Source,
    decoder: Decoder,
    offset: u64,
    bytes: Vec<u8>,
    ended: bool,
    /// The last piece ended with a carriage return, which may be half of a line end.
    after_return: bool,
}

impl<'s> Text<'s> {
    pub(crate) fn new(source: &'s dyn Source, label: Option<&str>) -> Result<Self, Error> {
        let sample = head(source, SAMPLE)?;
        let (encoding, mark) = encoding(&sample, label);
        Ok(Self {
            source,
            decoder: encoding.new_decoder_without_bom_handling(),
            offset: mark as u64,
            bytes: vec![0; PIECE],
            ended: false,
            after_return: false,
        })
    }

    /// How far it has come, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends the next piece; false at the end.
    pub(crate) fn next(&mut self, out: &mut String) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let length = self.source.read_at(self.offset, &mut self.bytes)?;
        self.offset += length as u64;
        self.ended = length == 0;
        let mut piece = String::with_capacity(PIECE * 3 + 16);
        let (result, _, _) = self.decoder.decode_to_string(&self.bytes[..length], &mut piece, self.ended);
        // The room is enough for whatever so many bytes may become.
        debug_assert!(matches!(result, CoderResult::InputEmpty));
        self.append(&piece, out);
        Ok(true)
    }

    fn append(&mut self, piece: &str, out: &mut String) {
        let mut rest = piece;
        if self.after_return && !rest.is_empty() {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
            self.after_return = false;
        }
        while let Some((line, after)) = rest.split_once('\r') {
            out.push_str(line);
            out.push('\n');
            rest = after.strip_prefix('\n').unwrap_or(after);
            self.after_return = after.is_empty();
        }
        out.push_str(rest);
    }

    /// All of it, at most so many MiB of the source.
    pub(crate) fn whole(mut self, most_mib: u64) -> Result<String, Error> {
        if self.source.len() > most_mib << 20 {
            return Err(Unreadable::TooLarge(most_mib).into());
        }
        let mut out = String::new();
        while self.next(&mut out)? {}
        Ok(out)
    }
}

/// A source as a file. Whether it failed is for its owner to say: readers see an error without a reason.
pub(crate) struct File<'s> {
    source: &'s dyn Source,
    offset: u64,
}

impl<'s> File<'s> {
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self { source, offset: 0 }
    }
}

impl Read for File<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read_at(self.offset, into).map_err(|Stopped| io::Error::other(STOPPED))?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// How [`Stopped`] is told apart from other errors on its way through a reader.
pub(crate) const STOPPED: &str = "the source stopped";

impl io::Seek for File<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(offset) => Some(offset),
            io::SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            io::SeekFrom::Current(by) => self.offset.checked_add_signed(by),
        };
        self.offset = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.offset)
    }
}
