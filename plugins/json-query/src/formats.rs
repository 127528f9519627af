//! What `@base64`, `@uri` and `@html` and their opposites rest on.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, Error};
use jaq_json::{Val, ValR};
use jaq_std::ValT as _;

use crate::library::Data;

const HTML: [(&str, &str); 5] =
    [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&quot;")];

pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
    [
        run(("encode_base64", v(0), |cv| bome(map(cv, |bytes| Ok(STANDARD.encode(bytes).into_bytes()))))),
        run(("decode_base64", v(0), |cv| bome(map(cv, decode_base64)))),
        run(("encode_uri", v(0), |cv| bome(map(cv, |bytes| Ok(encode_uri(bytes)))))),
        run(("decode_uri", v(0), |cv| bome(map(cv, |bytes| Ok(decode_uri(bytes)))))),
        run(("escape_html", v(0), |cv| bome(map(cv, |bytes| Ok(html(bytes, false)))))),
        run(("unescape_html", v(0), |cv| bome(map(cv, |bytes| Ok(html(bytes, true)))))),
    ]
    .into_iter()
}

fn map(cv: Cv<'_, Data>, change: impl Fn(&[u8]) -> Result<Vec<u8>, String>) -> ValR {
    let bytes = cv.1.as_utf8_bytes().ok_or_else(|| Error::typ(cv.1.clone(), "string"))?;
    Ok(Val::from_utf8_bytes(change(bytes).map_err(Error::str)?))
}

/// With its padding or without.
fn decode_base64(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let trimmed = bytes.trim_ascii();
    let bare = trimmed.strip_suffix(b"==").or(trimmed.strip_suffix(b"=")).unwrap_or(trimmed);
    STANDARD_NO_PAD.decode(bare).map_err(|error| ["no base64: ", &error.to_string()].concat())
}

/// RFC 3986's unreserved characters stay.
fn encode_uri(bytes: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(*byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out
}

fn decode_uri(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn html(bytes: &[u8], back: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // `&` comes first on the way there, and last on the way back.
    let changed = if back {
        HTML.iter()
            .rev()
            .fold(text.replace("&apos;", "'"), |text, (plain, entity)| text.replace(entity, plain))
    } else {
        HTML.iter().fold(text, |text, (plain, entity)| text.replace(plain, entity))
    };
    changed.into_bytes()
}
