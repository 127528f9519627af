//! From bytes to text, by the labels of the Encoding standard: <https://encoding.spec.whatwg.org/>. UTF-8, UTF-16, and
//! the western single-byte encodings; for others there is a message.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What windows-1252 has from 0x80 to 0x9F, where Latin-1 has control characters; the standard reads either so.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Where Latin-9 is not Latin-1.
const LATIN_9: [(u8, char); 8] =
    [(0xa4, '€'), (0xa6, 'Š'), (0xa8, 'š'), (0xb4, 'Ž'), (0xb8, 'ž'), (0xbc, 'Œ'), (0xbd, 'œ'), (0xbe, 'Ÿ')];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
    Latin9,
}

/// The text of a page. `declared` is the header's `charset`; a byte order mark is heeded first, and a `<meta>` in the
/// first 1,024 bytes last.
pub(crate) fn decode<'a>(bytes: &'a [u8], declared: Option<&str>) -> Result<Cow<'a, str>, String> {
    for (mark, charset) in [
        (&b"\xef\xbb\xbf"[..], Charset::Utf8),
        (b"\xff\xfe", Charset::Utf16Le),
        (b"\xfe\xff", Charset::Utf16Be),
    ] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            return Ok(charset.decode(rest));
        }
    }
    let label = declared.map(ToString::to_string).or_else(|| html::label(bytes));
    let Some(label) = label else {
        // Most of what does not say is UTF-8, and what is not is hardly ever valid as such.
        let charset = if core::str::from_utf8(bytes).is_ok() { Charset::Utf8 } else { Charset::Windows1252 };
        return Ok(charset.decode(bytes));
    };
    match Charset::of(&label) {
        Some(charset) => Ok(charset.decode(bytes)),
        None if core::str::from_utf8(bytes).is_ok() => Ok(Charset::Utf8.decode(bytes)),
        None => {
            let label: String = label.chars().take(40).collect();
            Err(format!("its character encoding `{label}` cannot be read here"))
        }
    }
}

impl Charset {
    fn of(label: &str) -> Option<Self> {
        Some(match label.trim().to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" => Self::Utf8,
            "utf-16" | "utf-16le" | "unicode" | "ucs-2" => Self::Utf16Le,
            "utf-16be" => Self::Utf16Be,
            "ascii" | "us-ascii" | "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "l1"
            | "windows-1252" | "cp1252" | "x-cp1252" => Self::Windows1252,
            "iso-8859-15" | "iso8859-15" | "iso_8859-15" | "latin9" | "l9" => Self::Latin9,
            _ => return None,
        })
    }

    fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let wide = |unit: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
            Cow::Owned(String::from_utf16_lossy(&units))
        };
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Utf16Le => wide(u16::from_le_bytes),
            Self::Utf16Be => wide(u16::from_be_bytes),
            Self::Windows1252 => bytes.iter().map(|byte| western(*byte)).collect(),
            Self::Latin9 => {
                let of =
                    |byte: u8| LATIN_9.iter().find(|(other, _)| *other == byte).map(|(_, letter)| *letter);
                bytes.iter().map(|byte| of(*byte).unwrap_or(western(*byte))).collect()
            }
        }
    }
}

fn western(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        byte => char::from(byte),
    }
}
