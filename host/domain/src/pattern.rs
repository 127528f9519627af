//! Which hosts and which paths a grant covers.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct PatternError {
    text: String,
    reason: String,
}

const TOO_WIDE: &str = "is too wide: at least two labels must follow the star, as in `*.example.com`";
const ALONE: &str = "write its name alone, without scheme, port or path, as in `api.example.com`";

fn error(text: &str, reason: impl Into<String>) -> PatternError {
    PatternError { text: text.chars().take(200).collect(), reason: reason.into() }
}

/// One host, or all hosts below a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    /// The host, or the name that hosts must end with; normalised as in URLs.
    name: String,
    /// Whether hosts below `name`, at any depth, are meant; `name` itself is not among them.
    below: bool,
}

impl HostPattern {
    /// `api.example.com`, `*.example.com` (at least two labels after the star), `192.0.2.7`, `[2001:db8::7]`.
    ///
    /// # Errors
    /// If the text is no host, or too wide, or an IP address in another spelling than the usual one.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if text == "*" {
            return Err(error(text, TOO_WIDE));
        }
        if name.contains(['*', '%']) {
            return Err(error(
                text,
                "is no host pattern: a `*` may only be its first label, and `%` is no part of it",
            ));
        }
        let canonical = match Host::parse(name)
            .map_err(|cause| error(text, format!("is no host ({cause}): {ALONE}")))?
        {
            Host::Domain(domain) => domain,
            address if below => return Err(error(text, format!("has a star before the address {address}"))),
            address if address.to_string() == name => address.to_string(),
            address => return Err(error(text, format!("is an address; write it as {address}"))),
        };
        if canonical.split('.').any(str::is_empty) {
            return Err(error(text, "has an empty label or ends with a dot"));
        }
        if below && !canonical.contains('.') {
            return Err(error(text, TOO_WIDE));
        }
        Ok(Self { name: canonical, below })
    }

    /// What a plugin may ask for: as [`Self::parse`], but not all names below one under which anybody may have theirs.
    /// Which these are the Public Suffix List says, as it was when this was built. Manifests are held to it, grants are
    /// not: what was approved stays readable whatever the list comes to say, and allows nothing that no manifest asks for.
    ///
    /// # Errors
    /// As [`Self::parse`], and for `*.co.uk` or `*.github.io`.
    pub fn of_one_owner(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::parse(text)?;
        if pattern.below && is_public_suffix(&pattern.name) {
            let owner = format!("your-name.{}", pattern.name);
            let reason = format!("is too wide: anybody may have a name there; write whose, as in `{owner}`");
            return Err(error(text, reason));
        }
        Ok(pattern)
    }

    /// Whether a URL's host, as the `url` crate shows it, is meant.
    pub fn matches(&self, host: &str) -> bool {
        if self.below { is_below(host, &self.name) } else { host == self.name }
    }

    /// Whether every host that `other` means is meant here too.
    pub fn covers(&self, other: &Self) -> bool {
        if other.below {
            self.below && (self.name == other.name || is_below(&other.name, &self.name))
        } else {
            self.matches(&other.name)
        }
    }

    /// The hosts that both mean.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            Some(other.clone())
        } else if other.covers(self) {
            Some(self.clone())
        } else {
            None
        }
    }
}

/// Not by the rule for names that the list does not know, such as those inside of a company.
fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix == name)
}

fn is_below(host: &str, name: &str) -> bool {
    // Something is left for the star, and all of it labels.
    let labels = host.strip_suffix(name).and_then(|rest| rest.strip_suffix('.'));
    labels.is_some_and(|labels| !labels.split('.').any(str::is_empty))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below { write!(f, "*.{}", self.name) } else { f.write_str(&self.name) }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

/// What a path must begin with, at a segment border: `/v1` covers `/v1` and `/v1/models`, not `/v10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(
    /// Without a slash at its end; empty for all paths.
    String,
);

impl PathPrefix {
    /// Covers every path.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// An absolute path, spelled as it stands in a URL. A slash at its end makes no difference.
    ///
    /// # Errors
    /// If it holds dot segments, encoded slashes or dots, a query, or what a URL would spell differently.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(error(text, "is no path: it must begin with `/`"));
        }
        if text.contains(['*', '?', '#', '\\']) {
            return Err(error(text, "is a prefix already: it may hold no `*`, `?`, `#` or `\\`"));
        }
        if !is_plain(text) {
            return Err(error(text, "holds a dot segment or an encoded slash or dot"));
        }
        let as_in_url = Url::parse("https://host").ok().map(|mut url| {
            url.set_path(text);
            url.path().to_owned()
        });
        if as_in_url.as_deref() != Some(text) {
            return Err(error(text, format!("is spelled {} in a URL", as_in_url.unwrap_or_default())));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Whether a URL's path is covered. A path that servers may read in two ways is covered by the root alone.
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_empty() || (self.begins(path) && is_plain(path))
    }

    /// Whether every path that `other` covers is covered here too.
    pub fn covers(&self, other: &Self) -> bool {
        self.begins(&other.0)
    }

    /// The paths that both cover.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            Some(other.clone())
        } else if other.covers(self) {
            Some(self.clone())
        } else {
            None
        }
    }

    /// This prefix and `more` segments behind it.
    pub fn join(&self, more: &Self) -> Self {
        Self(format!("{}{}", self.0, more.0))
    }

    fn begins(&self, path: &str) -> bool {
        path.strip_prefix(self.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether every server reads a path the same way: no encoded slashes, backslashes or dots, no dot segments,
/// also none before a `;` where some servers cut parameters off, and none before an encoded one, which a proxy
/// may decode on the way to such a server.
fn is_plain(path: &str) -> bool {
    let encoded = path.as_bytes().windows(3).any(|three| {
        three[0] == b'%' && matches!(&three[1..].to_ascii_lowercase()[..], b"2e" | b"2f" | b"5c")
    });
    let is_dots = |segment: &str| {
        let rest = segment.trim_start_matches('.');
        let ends =
            rest.is_empty() || rest.starts_with(';') || rest.starts_with("%3b") || rest.starts_with("%3B");
        ends && matches!(segment.len() - rest.len(), 1 | 2)
    };
    let dots = || path.split('/').any(is_dots);
    !encoded && !path.contains('\\') && !dots()
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<PathPrefix> for String {
    fn from(prefix: PathPrefix) -> Self {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_that_match_and_hosts_that_do_not() {
        let table = [
            ("api.example.com", "api.example.com", true),
            ("API.Example.com", "api.example.com", true),
            ("api.example.com", "api.example.com.", false),
            ("api.example.com", "xapi.example.com", false),
            ("api.example.com", "api.example.com.evil.test", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "..example.com", false),
            ("*.example.com", "a..example.com", false),
            ("*.example.com", ".a.example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "a.example.com.", false),
            ("bücher.example", "xn--bcher-kva.example", true),
            ("localhost", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("[::1]", "[::1]", true),
        ];
        for (pattern, host, expected) in table {
            assert_eq!(HostPattern::parse(pattern).unwrap().matches(host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn patterns_that_are_refused() {
        let table = [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.com",
            "a.*.com",
            "*a.com",
            "*.0.1",
            "*.127.0.0.1",
            "*.[::1]",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "::1",
            "[0:0::1]",
            "a b",
            "a/b",
            "a:80",
            "u@a",
            "a.",
            "a..b",
            "*.example.com.",
            "ex%61mple.com",
            "１２７.0.0.1",
        ];
        for text in table {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_anybody_may_have_a_name_below_is_asked_for_by_nobody() {
        for text in [
            "*.co.uk",
            "*.CO.uk",
            "*.github.io",
            "*.s3.amazonaws.com",
            "*.anything.ck",
            "*.xn--55qx5d.cn",
            "*.公司.cn",
        ] {
            assert!(HostPattern::parse(text).is_ok(), "{text} may have been kept");
            let error = HostPattern::of_one_owner(text).unwrap_err().to_string();
            assert!(error.contains("is too wide: anybody may have a name there"), "{error}");
        }
        for text in [
            "co.uk",
            "github.io",
            "*.hardpoint.co.uk",
            "*.hardpoint.github.io",
            "*.example.com",
            "*.siem.internal",
        ] {
            assert_eq!(HostPattern::of_one_owner(text), HostPattern::parse(text), "{text}");
        }
    }

    #[test]
    fn paths_that_match_and_paths_that_do_not() {
        let table = [
            ("/", "/anything/%2e%2e/at/all", true),
            ("/v1", "/v1", true),
            ("/v1", "/v1/models", true),
            ("/v1/", "/v1/models", true),
            ("/v1", "/v10", false),
            ("/v1", "/V1", false),
            ("/v1", "/", false),
            ("/v1", "/v1/..%2fadmin", false),
            ("/v1", "/v1/%2E%2e/admin", false),
            ("/v1", "/v1/..%5Cadmin", false),
            ("/v1", "/v1/..;/admin", false),
            ("/v1", "/v1/..%3b/admin", false),
            ("/v1", "/v1/.%3Bx", false),
            ("/v1", "/v1/a..b/.hidden/...", true),
            ("/a%20b", "/a%20b/c", true),
        ];
        for (prefix, path, expected) in table {
            assert_eq!(PathPrefix::parse(prefix).unwrap().matches(path), expected, "{prefix} {path}");
        }
        for text in
            ["", "v1", "/a/../b", "/a/.", "/a%2fb", "/%2e%2e", "/a?b", "/a#b", "/a\\b", "/a b", "/v1/*", "/ä"]
        {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
    }

    fn host() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 2..5).prop_map(|labels| labels.join("."))
    }

    fn host_pattern() -> impl Strategy<Value = HostPattern> {
        (any::<bool>(), host()).prop_map(|(below, name)| {
            HostPattern::parse(&format!("{}{name}", if below { "*." } else { "" })).unwrap()
        })
    }

    fn path() -> impl Strategy<Value = String> {
        proptest::collection::vec("[ab]{1,2}", 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    proptest! {
        #[test]
        fn hosts_of_an_intersection_are_those_of_both(a in host_pattern(), b in host_pattern(), host in host()) {
            let both = a.intersect(&b).is_some_and(|pattern| pattern.matches(&host));
            prop_assert_eq!(both, a.matches(&host) && b.matches(&host));
            prop_assert!(!(a.covers(&b) && b.matches(&host)) || a.matches(&host));
        }

        #[test]
        fn paths_of_an_intersection_are_those_of_both(a in path(), b in path(), path in path()) {
            let (a, b) = (PathPrefix::parse(&a).unwrap(), PathPrefix::parse(&b).unwrap());
            let both = a.intersect(&b).is_some_and(|prefix| prefix.matches(&path));
            prop_assert_eq!(both, a.matches(&path) && b.matches(&path));
            prop_assert!(a.covers(&a.join(&b)));
        }

        #[test]
        fn patterns_are_read_back(host in "(\\*\\.)?[a-z0-9.*%\\[\\]:-]{0,12}", path in "/[a-z./%2eF;]{0,12}") {
            if let Ok(pattern) = HostPattern::parse(&host) {
                prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
            }
            if let Ok(prefix) = PathPrefix::parse(&path) {
                prop_assert_eq!(PathPrefix::parse(&prefix.to_string()), Ok(prefix));
            }
        }

        #[test]
        fn no_path_leaves_its_prefix_once_it_is_decoded(path in "/a(/|%2[eEfF]|\\.|%5c|;|b){0,8}") {
            let prefix = PathPrefix::parse("/a").unwrap();
            if prefix.matches(&path) {
                prop_assert!(!path.split('/').any(|segment| segment == ".."));
                prop_assert!(!path.contains('%'));
            }
        }
    }
}
