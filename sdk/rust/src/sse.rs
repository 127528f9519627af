//! Server-sent events, decoded from bytes that the network cut anywhere.
//!
//! After the WHATWG's "Interpreting an event stream"
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): lines end in `\n`, `\r\n` or `\r`, a
//! leading byte order mark is skipped, comments are ignored, `data` lines are joined by `\n`, and a blank
//! line ends an event. `id` and `retry`, which are for reconnecting, are ignored.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::failure::Failure;

/// One event. What is not UTF-8 was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty where there is none.
    pub name: &'a str,
    /// The `data` lines, joined by `\n`.
    pub data: &'a str,
}

/// An event that is larger than the decoder may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The bound, in bytes.
    pub limit: usize,
}

impl core::fmt::Display for TooLarge {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "an event of the stream is larger than {} bytes", self.limit)
    }
}

impl core::error::Error for TooLarge {}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Self::protocol(format!("{error}"))
    }
}

/// An incremental decoder. Feed it a piece of the body, then take events until there is none:
///
/// ```
/// use hardpoint_sdk::sse::Decoder;
///
/// let mut decoder = Decoder::new(1024);
/// let mut seen = Vec::new();
/// for piece in [&b"data: one\r"[..], b"\n\r\ndata: t", b"wo\n\n"] {
///     decoder.feed(piece.to_vec());
///     while let Some(event) = decoder.next()? {
///         seen.push(event.data.to_owned());
///     }
/// }
/// assert_eq!(seen, ["one", "two"]);
/// # Ok::<(), hardpoint_sdk::sse::TooLarge>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// What was fed and is still needed: everything from the first line of the unfinished event on.
    bytes: Vec<u8>,
    /// Up to here the bytes belong to events that were handed out, or to nothing.
    done: usize,
    /// Where the unfinished line begins.
    line: usize,
    /// Up to here there is no line end, so that a long line is searched once however it is cut.
    searched: usize,
    /// The line before ended in `\r`: a `\n` right here belongs to that end.
    after_cr: bool,
    /// Nothing but a byte order mark may have been read so far.
    at_start: bool,
    /// The first data line of the unfinished event, in `bytes`.
    data: Option<Range<usize>>,
    /// All its data lines, once there is more than one, or if the one is not UTF-8.
    joined: String,
    is_joined: bool,
    /// The event before was handed out.
    is_taken: bool,
    name: String,
}

impl Decoder {
    /// Holds at most `limit` bytes of an unfinished event.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: Vec::new(),
            done: 0,
            line: 0,
            searched: 0,
            after_cr: false,
            at_start: true,
            data: None,
            joined: String::new(),
            is_joined: false,
            is_taken: false,
            name: String::new(),
        }
    }

    /// Appends a piece of the body. All events of the pieces before should have been taken.
    pub fn feed(&mut self, piece: Vec<u8>) {
        if self.done == self.bytes.len() {
            self.bytes = piece;
        } else {
            self.bytes.drain(..self.done);
            self.bytes.extend_from_slice(&piece);
        }
        self.line -= self.done;
        self.searched -= self.done;
        if let Some(data) = &mut self.data {
            *data = data.start - self.done..data.end - self.done;
        }
        self.done = 0;
    }

    /// The next event, if one is complete. An event that the stream's end cut off never is.
    ///
    /// # Errors
    /// If a line or an event is larger than the bound. The decoder is of no use afterwards.
    #[allow(clippy::should_implement_trait, reason = "an event borrows from the decoder")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, TooLarge> {
        if self.is_taken {
            self.forget();
        }
        if self.at_start && !self.skip_mark() {
            return Ok(None);
        }
        while let Some(end) = self.line_end() {
            let line = self.line..end;
            self.after_cr = self.bytes[end] == b'\r';
            self.line = end + 1;
            self.searched = end + 1;
            if line.len() > self.limit || (self.data.is_some() && self.line - self.done > self.limit) {
                return Err(TooLarge { limit: self.limit });
            }
            if !line.is_empty() {
                self.field(line);
            } else if let Some(data) = self.data.clone() {
                return Ok(Some(self.take(data)));
            } else {
                // An event without data is none, whatever its name.
                self.forget();
            }
            if self.data.is_none() {
                self.done = self.line;
            }
        }
        if self.bytes.len() - self.done > self.limit {
            return Err(TooLarge { limit: self.limit });
        }
        Ok(None)
    }

    /// Whether bytes of an unfinished event are there: at the end of a stream, that it was cut off.
    pub fn is_within_event(&self) -> bool {
        (self.data.is_some() && !self.is_taken) || self.line < self.bytes.len()
    }

    /// False if more bytes are needed to tell.
    fn skip_mark(&mut self) -> bool {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.bytes.len() < MARK.len() && MARK.starts_with(&self.bytes) {
            return false;
        }
        self.at_start = false;
        if self.bytes.starts_with(MARK) {
            (self.done, self.line, self.searched) = (MARK.len(), MARK.len(), MARK.len());
        }
        true
    }

    /// Where the line that begins at `self.line` ends, if it does.
    fn line_end(&mut self) -> Option<usize> {
        if self.after_cr && self.line < self.bytes.len() {
            self.after_cr = false;
            if self.bytes[self.line] == b'\n' {
                self.line += 1;
                self.searched = self.searched.max(self.line);
                if self.data.is_none() {
                    self.done = self.line;
                }
            }
        }
        let found = find_end(&self.bytes[self.searched..]);
        let end = found.map(|offset| self.searched + offset);
        self.searched = end.unwrap_or(self.bytes.len());
        end
    }

    fn field(&mut self, line: Range<usize>) {
        let text = &self.bytes[line.clone()];
        let colon = text.iter().position(|&byte| byte == b':');
        let name = &text[..colon.unwrap_or(text.len())];
        let value = colon.map_or(line.end, |colon| {
            let after = line.start + colon + 1;
            after + usize::from(self.bytes.get(after) == Some(&b' ') && after < line.end)
        })..line.end;
        match name {
            b"data" => self.data_line(value),
            b"event" => self.name = String::from_utf8_lossy(&self.bytes[value]).into_owned(),
            _ => {}
        }
    }

    /// The first line stays where it is; from the second on they are copied together.
    fn data_line(&mut self, value: Range<usize>) {
        let Some(first) = self.data.clone() else {
            self.data = Some(value);
            return;
        };
        if !self.is_joined {
            self.is_joined = true;
            self.joined.push_str(&String::from_utf8_lossy(&self.bytes[first]));
        }
        self.joined.push('\n');
        self.joined.push_str(&String::from_utf8_lossy(&self.bytes[value]));
    }

    /// The finished event, made of what the next call forgets.
    fn take(&mut self, data: Range<usize>) -> Event<'_> {
        self.done = self.line;
        self.is_taken = true;
        if self.is_joined {
            return Event { name: &self.name, data: &self.joined };
        }
        if core::str::from_utf8(&self.bytes[data.clone()]).is_err() {
            self.joined = String::from_utf8_lossy(&self.bytes[data]).into_owned();
            return Event { name: &self.name, data: &self.joined };
        }
        Event { name: &self.name, data: core::str::from_utf8(&self.bytes[data]).unwrap_or_default() }
    }

    fn forget(&mut self) {
        self.name.clear();
        self.joined.clear();
        self.is_joined = false;
        self.is_taken = false;
        self.data = None;
    }
}

/// The first `\n` or `\r`, eight bytes at a time: searching for the ends of long lines would otherwise take
/// as long as reading the JSON in them.
fn find_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LF: u64 = ONES * b'\n' as u64;
    const CR: u64 = ONES * b'\r' as u64;
    // A byte that is zero gets its top bit set; so may bytes above it, which are not looked at.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ LF) | zeros(word ^ CR);
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
    found.map(|index| words.len() * 8 + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Result<Vec<(String, String)>, TooLarge>;

    fn decode<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
        let mut decoder = Decoder::new(limit);
        let mut seen = Vec::new();
        for piece in pieces {
            decoder.feed(piece.to_vec());
            while let Some(event) = decoder.next()? {
                seen.push((event.name.to_owned(), event.data.to_owned()));
            }
        }
        Ok(seen)
    }

    /// Whole, at every single split point, byte by byte, and with empty pieces between.
    fn every_way(limit: usize, text: &[u8]) -> Seen {
        let whole = decode(limit, [text]);
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_eq!(decode(limit, [head, &[], tail]), whole, "split at {at}");
        }
        assert_eq!(decode(limit, text.chunks(1)), whole, "byte by byte");
        assert_eq!(decode(limit, text.chunks(3)), whole, "by threes");
        whole
    }

    fn data(text: &[u8]) -> Vec<String> {
        every_way(1000, text).unwrap().into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn the_first_line_end_is_found() {
        for length in 0..40 {
            for at in 0..length {
                let mut bytes = vec![b'\x0b'; length];
                bytes[at] = b'\n';
                assert_eq!(find_end(&bytes), Some(at));
                bytes[at..].fill(b'\r');
                assert_eq!(find_end(&bytes), Some(at));
            }
            assert_eq!(find_end(&vec![0x8a; length]), None);
        }
    }

    #[test]
    fn lines_may_end_three_ways() {
        assert_eq!(data(b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n"), ["a", "b", "c", "d"]);
        assert_eq!(data(b"\r\n\n\r\rdata: a\n\r\n"), ["a"]);
    }

    #[test]
    fn data_lines_are_joined() {
        assert_eq!(data(b"data: a\ndata:b\ndata\ndata:  c\n\n"), ["a\nb\n\n c"]);
        assert_eq!(data(b"data:\n\n"), [""]);
        assert_eq!(data(b"data\n\n"), [""]);
    }

    #[test]
    fn other_fields_and_comments_do_not_matter() {
        let text =
            b": hello\n\nid: 1\nretry: 5\ndata: a\n: in between\ndatax: no\n data: no\nData: no\n\n:\n";
        assert_eq!(data(text), ["a"]);
    }

    #[test]
    fn names_belong_to_one_event() {
        let text = b"event: first\ndata: a\n\ndata: b\n\nevent: empty\n\ndata: c\nevent:last\n\n";
        let seen = every_way(1000, text).unwrap();
        let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["first", "", "last"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n"), ["a"]);
        assert_eq!(data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n"), ["b"]);
        assert_eq!(data(b"\xef\xbbdata: a\n\ndata: b\n\n"), ["b"]);
    }

    #[test]
    fn characters_survive_any_cut_and_bad_bytes_are_replaced() {
        assert_eq!(data("data: \u{1f980} naïve\n\n".as_bytes()), ["\u{1f980} naïve"]);
        assert_eq!(
            data(b"data: a\xff\xfeb\n\ndata: x\ndata: \xff\n\n"),
            ["a\u{fffd}\u{fffd}b", "x\n\u{fffd}"]
        );
    }

    #[test]
    fn what_the_end_cut_off_is_no_event() {
        assert!(data(b"data: a\n").is_empty());
        for (text, within) in [("data: a\n", true), ("data: a", true), ("data: a\n\n", false), ("", false)] {
            let mut decoder = Decoder::new(100);
            decoder.feed(text.as_bytes().to_vec());
            while decoder.next().unwrap().is_some() {}
            assert_eq!(decoder.is_within_event(), within, "{text:?}");
        }
    }

    #[test]
    fn the_bound_does_not_depend_on_the_cut() {
        let error = Err(TooLarge { limit: 16 });
        assert_eq!(every_way(16, b"data: 0123456789abcdef\n\n"), error);
        assert_eq!(every_way(16, b": 0123456789abcdef\n\n"), error);
        assert_eq!(every_way(16, b"data: 1\ndata: 2\ndata: 3\n\n"), error);
        assert_eq!(every_way(16, b"data: 01234567\n\n").unwrap().len(), 1);
        let many = b"data: 1\n\n".repeat(50);
        assert_eq!(every_way(16, &many).unwrap().len(), 50);
        assert!(every_way(16, &b": ping\n".repeat(50)).unwrap().is_empty());
    }

    #[test]
    fn two_megabytes_in_small_pieces_are_one_event() {
        let long = "x".repeat(2_000_000);
        let text = format!("data: {long}\n\n");
        let seen = decode(3_000_000, text.as_bytes().chunks(1000)).unwrap();
        assert_eq!(seen, vec![(String::new(), long)]);
        assert_eq!(TooLarge { limit: 8 }.to_string(), "an event of the stream is larger than 8 bytes");
    }
}
