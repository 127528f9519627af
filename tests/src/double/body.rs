//! Bodies of requests as doubles read them.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A `content-encoding` other than `gzip`.
    Encoding,
    /// No gzip, though it says so.
    Broken,
    /// More bytes than are taken.
    TooLarge,
}

/// A body without its compression, at most so many bytes.
///
/// # Errors
/// Where it cannot be read.
pub fn plain(headers: &HeaderMap, body: &[u8], limit: usize) -> Result<Vec<u8>, Unreadable> {
    let mut plain = Vec::new();
    let most = limit as u64 + 1;
    match header(headers, "content-encoding") {
        "gzip" => MultiGzDecoder::new(body).take(most).read_to_end(&mut plain),
        "" => body.take(most).read_to_end(&mut plain),
        _ => return Err(Unreadable::Encoding),
    }
    .map_err(|_| Unreadable::Broken)?;
    if plain.len() > limit { Err(Unreadable::TooLarge) } else { Ok(plain) }
}

/// A header as text; empty where there is none.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
