//! HTTP for plugins that act: tools and retrievers. The grant is checked by the host.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::bindings::shared::hardpoint::plugin::http as wit;
use crate::failure::{self, Failure, TransportFailure};
use crate::request::Request;
pub use wit::{Error, Response};

/// Sends a request and waits for the whole answer. Redirects are answers; so is any other status.
///
/// # Errors
/// If there is no whole answer: not granted, no connection, a time limit, too large.
pub fn send(request: Request) -> Result<Response, Error> {
    let request = request.0;
    let request = wit::Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        compression: request.compression,
    };
    #[cfg(target_arch = "wasm32")]
    return wit::send(&request);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::double::send(request);
}

/// As for a [`TransportFailure`].
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(TransportFailure { exchange: 0, kind: error.kind, message: error.message })
    }
}

impl Response {
    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        failure::header(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body from JSON.
    ///
    /// # Errors
    /// If it is none, or not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        // By way of text: a plugin then carries one JSON reader, not one for text and one for bytes.
        let text = core::str::from_utf8(&self.body).map_err(|_| Failure::protocol("JSON: not UTF-8"))?;
        Ok(serde_json::from_str(text)?)
    }
}

/// Form values, percent-encoded as `application/x-www-form-urlencoded` or for a query.
pub fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        encode(name, &mut out);
        out.push(b'=');
        encode(value, &mut out);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn form_values_are_encoded() {
        assert_eq!(super::form([("q", "a b&c=ü"), ("n", "1~2")]), "q=a%20b%26c%3D%C3%BC&n=1~2");
    }
}
