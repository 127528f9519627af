//! Addresses, as far as links need them. What may be fetched is decided by the host, with a parser of its own.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `https` or `http`, without a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https://host:port`, in lower case.
    origin: String,
    /// Begins with a slash.
    path: String,
    /// With its question mark, or empty.
    query: String,
}

impl Url {
    /// None if it is no absolute address of this kind.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let host = host.to_lowercase();
        let host = host.strip_suffix(usual).unwrap_or(&host);
        if host.is_empty() || host.contains(['@', '\\', ' ']) {
            return None;
        }
        Some(Self::at(format!("{scheme}://{host}"), target))
    }

    fn at(origin: String, target: &str) -> Self {
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        Self { origin, path: escaped(&without_dots(path)), query: escaped(query) }
    }

    /// What a link on this page leads to; none for what is no page: `mailto:`, `javascript:`, the page itself.
    pub fn join(&self, link: &str) -> Option<Self> {
        let link: String =
            link.trim().chars().filter(|letter| !matches!(letter, '\t' | '\n' | '\r')).collect();
        let link = link.split('#').next().unwrap_or_default();
        if link.is_empty() {
            return None;
        }
        if let Some(rest) = link.strip_prefix("//") {
            let scheme = self.origin.split(':').next()?;
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let before = link.split(['/', '?']).next().unwrap_or_default();
        if before.contains(':') {
            return Self::parse(link);
        }
        if link.starts_with('?') {
            return Some(Self { query: escaped(link), ..self.clone() });
        }
        if link.starts_with('/') {
            return Some(Self::at(self.origin.clone(), link));
        }
        let folder = self.path.rfind('/').map_or("/", |slash| self.path.get(..=slash).unwrap_or("/"));
        Some(Self::at(self.origin.clone(), &format!("{folder}{link}")))
    }

    /// Whether another is this address or below it, at a segment border.
    pub fn covers(&self, other: &Self) -> bool {
        let prefix = self.path.trim_end_matches('/');
        let rest = other.path.strip_prefix(prefix);
        self.origin == other.origin && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl core::fmt::Display for Url {
    fn fmt(&self, to: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(to, "{}{}{}", self.origin, self.path, self.query)
    }
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_with_slash = true;
    for segment in path.split('/').skip(1) {
        ends_with_slash = matches!(segment, "" | "." | "..");
        match segment {
            ".." => {
                kept.pop();
            }
            "." => {}
            segment => kept.push(segment),
        }
    }
    if ends_with_slash && kept.last().is_none_or(|last| !last.is_empty()) {
        kept.push("");
    }
    ["/".to_string(), kept.join("/")].concat()
}

/// What may stand in an address stays; the rest is percent-encoded.
fn escaped(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        {
            out.push(char::from(byte));
        } else {
            let digit = |number: u8| char::from(HEX[usize::from(number)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}
