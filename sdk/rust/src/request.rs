//! HTTP requests for the host to make, with secrets named but never held.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bindings::shared::hardpoint::plugin::types as wit;
use crate::failure::Failure;
pub use wit::{
    BodyBytes, Compression, Header, HttpRequest, Part, RequestHeader, ResponseHead, SecretEncoding,
    SecretReference,
};

/// A reference to the secret that the manifest asks for under this name, written raw.
pub fn secret(name: &str) -> Secret<'_> {
    Secret { name, encoding: SecretEncoding::Raw }
}

/// A secret where a part of a header or body is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret<'a> {
    name: &'a str,
    encoding: SecretEncoding,
}

impl Secret<'_> {
    /// Escaped for the inside of a JSON string; the quotes are yours.
    pub fn json(self) -> Self {
        Self { encoding: SecretEncoding::Json, ..self }
    }

    /// In standard base64.
    pub fn base64(self) -> Self {
        Self { encoding: SecretEncoding::Base64, ..self }
    }

    /// Percent-encoded for a form value.
    pub fn url(self) -> Self {
        Self { encoding: SecretEncoding::Url, ..self }
    }
}

impl From<Secret<'_>> for Part {
    fn from(secret: Secret<'_>) -> Self {
        Self::Secret(SecretReference { name: secret.name.into(), encoding: secret.encoding })
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<Vec<u8>> for Part {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// The pieces of a header value or of a body. [`parts!`](crate::parts) makes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts(pub Vec<Part>);

impl Parts {
    /// Appends a piece.
    pub fn push(&mut self, part: impl Into<Part>) {
        self.0.push(part.into());
    }
}

impl<T: Into<Part>> From<T> for Parts {
    fn from(part: T) -> Self {
        Self(alloc::vec![part.into()])
    }
}

/// Pieces of a header value or of a body: text, bytes and secrets, in order.
///
/// ```
/// use hardpoint_sdk::{parts, secret};
/// let parts = parts!["Bearer ", secret("api_key")];
/// assert_eq!(parts.0.len(), 2);
/// ```
#[macro_export]
macro_rules! parts {
    ($($part:expr),* $(,)?) => {
        $crate::Parts($crate::__private::vec![$($crate::Part::from($part)),*])
    };
}

/// A request under construction. It becomes an effect by `out.send(request)`, and a tool sends it with
/// [`http::send`](crate::http::send).
#[derive(Clone, Debug, PartialEq)]
pub struct Request(pub(crate) HttpRequest);

impl Request {
    /// A request with any method.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self(HttpRequest {
            exchange: 0,
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            compression: Compression::None,
        })
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// The number that observations about it carry; 0 unless set. A machine with several requests under
    /// way gives each its own.
    pub fn exchange(mut self, number: u32) -> Self {
        self.0.exchange = number;
        self
    }

    /// Adds a header: text, bytes, a [`secret`], or [`parts!`](crate::parts) of them.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Parts>) -> Self {
        self.0.headers.push(RequestHeader { name: name.into(), value: value.into().0 });
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Parts>) -> Self {
        self.0.body = body.into().0;
        self
    }

    /// Sets the body to `value` as JSON, and `content-type` with it.
    ///
    /// # Errors
    /// If the value cannot be written as JSON: a map whose keys are no strings, or a failing `Serialize`.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Failure::invalid_request(format!("the request cannot be written: {error}")))?;
        Ok(self.json_bytes(body))
    }

    /// Sets the body to text that is JSON already, and `content-type` with it.
    pub fn json_bytes(self, body: impl Into<Parts>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// Lets the host compress the body.
    pub fn gzip(mut self) -> Self {
        self.0.compression = Compression::Gzip;
        self
    }
}

impl From<Request> for HttpRequest {
    fn from(request: Request) -> Self {
        request.0
    }
}

/// Bytes of an answer, gathered up to a bound.
#[derive(Debug, Default)]
pub struct Gathered {
    bytes: Vec<u8>,
    limit: usize,
}

impl Gathered {
    /// Takes at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Appends a piece of the body.
    ///
    /// # Errors
    /// `protocol` if there is more than the bound.
    pub fn push(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(Failure::protocol(format!("the answer is larger than {} bytes", self.limit)));
        }
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
        Ok(())
    }

    /// What is there, as much of it as fits and without an error: for messages about errors.
    pub fn push_some(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// What was gathered.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From JSON.
    ///
    /// # Errors
    /// `protocol` if it is none, or not of this type.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        let text = core::str::from_utf8(&self.bytes).map_err(|_| Failure::protocol("JSON: not UTF-8"))?;
        Ok(serde_json::from_str(text)?)
    }

    /// As text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}
