//! Where a request goes: scheme, host and port.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no origin: {}", self.reason())]
pub struct OriginError {
    text: String,
    reason: &'static str,
}

impl OriginError {
    /// The same without the text, for where it may be a secret.
    pub fn reason(&self) -> String {
        format!("{} (write `https://host` or `https://host:port`)", self.reason)
    }
}

/// Scheme, host and port, normalised as URLs are: lower case, punycode, IPv4 in four decimal numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// From a URL that names nothing but an origin.
    ///
    /// # Errors
    /// If it has another scheme than `http` or `https`, or a path, query, fragment or user.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let error = |reason| OriginError { text: text.chars().take(200).collect(), reason };
        let url = Url::parse(text).map_err(|_| error("it is no URL"))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(error("it has a path, a query or a fragment"));
        }
        Self::of(&url).ok_or_else(|| error("it needs `https` or `http`, a host, and no user"))
    }

    /// The origin of a URL; none if it is neither `http` nor `https`, or names a user.
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return None;
        }
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: host.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// Whether this is the origin of `url`; asks less of the allocator than comparing with [`Origin::of`].
    pub fn is_of(&self, url: &Url) -> bool {
        self.scheme == url.scheme()
            && Some(self.host.as_str()) == url.host_str()
            && Some(self.port) == url.port_or_known_default()
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, written or by default.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The port that a scheme has where none is written.
pub fn default_port(scheme: &str) -> u16 {
    if scheme == "http" { 80 } else { 443 }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == default_port(&self.scheme) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;
    fn try_from(text: String) -> Result<Self, OriginError> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_origin() {
        let table = [
            ("https://Example.COM", "https://example.com"),
            ("https://example.com:443/", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://0x7f.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:9", "http://[::1]:9"),
        ];
        for (text, shown) in table {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.to_string(), shown);
            assert_eq!(Origin::parse(shown).unwrap(), origin);
            assert!(origin.is_of(&Url::parse(text).unwrap().join("/a/b?c").unwrap()));
        }
    }

    #[test]
    fn texts_that_are_no_origins() {
        for text in [
            "example.com",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://",
            "",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        assert!(!Origin::parse("https://a").unwrap().is_of(&Url::parse("https://a.b/").unwrap()));
        assert!(!Origin::parse("https://a").unwrap().is_of(&Url::parse("http://a:443/").unwrap()));
    }
}
