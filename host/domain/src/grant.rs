//! What a plugin asks for, what the operator allowed, and what follows from the two.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::origin::{Origin, default_port};
use crate::pattern::{HostPattern, PathPrefix};

/// One family of HTTP requests, with nothing left to resolve. Reads and shows as `GET,POST https://host:port/path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpRule {
    /// `https` or `http`.
    pub scheme: String,
    /// Which hosts.
    pub host: HostPattern,
    /// Which port.
    pub port: u16,
    /// Which methods, in capitals, in order.
    pub methods: Vec<String>,
    /// Which paths.
    pub path: PathPrefix,
}

/// One secret and the only origin that it may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretRule {
    /// The manifest's name for it.
    pub name: String,
    /// The only origin it may be sent to.
    pub audience: Origin,
    /// Whether the plugin also works without it.
    #[serde(default)]
    pub optional: bool,
}

/// What a binding may do. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// HTTP requests.
    pub http: Vec<HttpRule>,
    /// Secrets it may refer to.
    pub secrets: Vec<SecretRule>,
    /// The key-value store.
    pub kv: bool,
    /// The host's index.
    pub index: bool,
    /// The host's embedder.
    pub embed: bool,
    /// An empty folder for the time of a call.
    pub scratch: bool,
}

/// A request that no rule covers. The message says what is covered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no HTTP rule: {reason} (write `POST https://host/path` or `GET,POST https://*.example.com:8443`)"
)]
pub struct RuleError {
    text: String,
    reason: String,
}

/// How far a binding's request for permissions has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GrantState {
    /// The plugin asks for nothing.
    NothingAsked,
    /// All that it needs is allowed.
    Granted,
    /// Something is not allowed.
    Pending {
        /// What, in plain words.
        missing: Vec<String>,
    },
}

impl HttpRule {
    /// Whether a request is covered. `path` and host are as the `url` crate shows them.
    pub fn permits(&self, method: &str, url: &Url) -> bool {
        self.scheme == url.scheme()
            && url.host_str().is_some_and(|host| self.host.matches(host))
            && url.port_or_known_default() == Some(self.port)
            && self.methods.iter().any(|allowed| allowed == method)
            && self.path.matches(url.path())
    }

    fn intersect(&self, other: &Self) -> Option<Self> {
        if self.scheme != other.scheme || self.port != other.port {
            return None;
        }
        let (host, path) = (self.host.intersect(&other.host)?, self.path.intersect(&other.path)?);
        let methods: Vec<_> =
            self.methods.iter().filter(|method| other.methods.contains(method)).cloned().collect();
        let rule = Self { scheme: self.scheme.clone(), host, port: self.port, methods, path };
        (!rule.methods.is_empty()).then_some(rule)
    }

    fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && self.host.covers(&other.host)
            && self.path.covers(&other.path)
            && other.methods.iter().all(|method| self.methods.contains(method))
    }

    fn with_methods(&self, methods: Vec<String>) -> Self {
        Self { methods, ..self.clone() }
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}", self.methods.join(","), self.scheme, self.host)?;
        if self.port != default_port(&self.scheme) {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "{}", self.path)
    }
}

impl FromStr for HttpRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let error =
            |reason: &str| RuleError { text: text.chars().take(200).collect(), reason: reason.to_owned() };
        let (methods, place) =
            text.split_once(' ').ok_or_else(|| error("methods and address need a space between"))?;
        let methods: Vec<_> = methods.split(',').map(str::to_owned).collect();
        check_methods(&methods).map_err(|reason| error(&reason))?;
        let (scheme, rest) = place.split_once("://").ok_or_else(|| error("the scheme is missing"))?;
        if !matches!(scheme, "https" | "http") {
            return Err(error("the scheme must be `https` or `http`"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // Inside the brackets of an IPv6 address a colon is no port's.
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().ok().filter(|&port| port > 0);
                (host, port.ok_or_else(|| error("the port must be a number up to 65535"))?)
            }
            _ => (authority, default_port(scheme)),
        };
        let host = HostPattern::parse(host).map_err(|cause| error(&cause.to_string()))?;
        let path = if path.is_empty() { "/" } else { path };
        let path = PathPrefix::parse(path).map_err(|cause| error(&cause.to_string()))?;
        Ok(Self { scheme: scheme.to_owned(), host, port, methods: sorted(methods), path })
    }
}

impl TryFrom<String> for HttpRule {
    type Error = RuleError;
    fn try_from(text: String) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<HttpRule> for String {
    fn from(rule: HttpRule) -> Self {
        rule.to_string()
    }
}

/// Methods are tokens in capitals; those that tunnel or echo are never granted.
pub(crate) fn check_methods(methods: &[String]) -> Result<(), String> {
    for method in methods {
        let is_token =
            (1..=32).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if !is_token || matches!(method.as_str(), "CONNECT" | "TRACE") {
            return Err(format!(
                "`{}` is no method that can be granted",
                method.chars().take(40).collect::<String>()
            ));
        }
    }
    Ok(())
}

/// In order and each once, as rules keep their methods.
pub(crate) fn sorted<T: Ord>(items: Vec<T>) -> Vec<T> {
    items.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

impl Permissions {
    /// Whether this is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anything of a call may reach beyond it: go out, or be kept.
    pub fn has_effects(&self) -> bool {
        !self.http.is_empty() || self.kv || self.index || self.embed
    }

    /// `sha256:` and the hash of the canonical form: the same for the same permissions in any order.
    pub fn fingerprint(&self) -> String {
        use fmt::Write;
        let canonical =
            Self { http: sorted(self.http.clone()), secrets: sorted(self.secrets.clone()), ..self.clone() };
        let bytes = serde_json::to_vec(&canonical).unwrap_or_default();
        Sha256::digest(&bytes).iter().fold(String::from("sha256:"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// What both permit.
    pub fn intersect(&self, allowed: &Self) -> Self {
        let both = sorted(
            self.http
                .iter()
                .flat_map(|asked| allowed.http.iter().filter_map(|rule| asked.intersect(rule)))
                .collect(),
        );
        let http = both
            .iter()
            .enumerate()
            .filter(|&(index, rule)| {
                !both.iter().enumerate().any(|(other, wider)| {
                    // Of two that cover each other the first stays.
                    other != index && wider.covers(rule) && (!rule.covers(wider) || other < index)
                })
            })
            .map(|(_, rule)| rule.clone())
            .collect();
        Self {
            http,
            secrets: sorted(self.secrets.iter().filter(|asked| allowed.has_secret(asked)).cloned().collect()),
            kv: self.kv && allowed.kv,
            index: self.index && allowed.index,
            embed: self.embed && allowed.embed,
            scratch: self.scratch && allowed.scratch,
        }
    }

    /// What is asked for here and not allowed there, in plain words. An optional secret is never missing.
    pub fn missing_from(&self, allowed: &Self) -> Vec<String> {
        let mut missing = self.uncovered_by(allowed);
        missing.secrets.retain(|asked| !asked.optional && !allowed.has_secret(asked));
        missing.describe()
    }

    /// What is here and not there, in plain words: method by method, and optional secrets too.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let mut rest = self.uncovered_by(other);
        // One that was optional and is needed now is more than before.
        let had = |asked: &SecretRule| {
            other.secrets.iter().any(|rule| {
                rule.name == asked.name
                    && rule.audience == asked.audience
                    && (asked.optional || !rule.optional)
            })
        };
        rest.secrets.retain(|asked| !had(asked));
        rest.describe()
    }

    /// All of this but what the other's rules and flags cover; secrets are left to who asks.
    fn uncovered_by(&self, other: &Self) -> Self {
        let mut rest = Self { secrets: self.secrets.clone(), ..Self::default() };
        for asked in &self.http {
            let uncovered = |method: &&String| {
                let one = asked.with_methods(vec![(*method).clone()]);
                !other.http.iter().any(|rule| rule.covers(&one))
            };
            let methods: Vec<_> = asked.methods.iter().filter(uncovered).cloned().collect();
            if !methods.is_empty() {
                rest.http.push(asked.with_methods(methods));
            }
        }
        rest.kv = self.kv && !other.kv;
        rest.index = self.index && !other.index;
        rest.embed = self.embed && !other.embed;
        rest.scratch = self.scratch && !other.scratch;
        rest
    }

    fn has_secret(&self, asked: &SecretRule) -> bool {
        self.secrets.iter().any(|rule| rule.name == asked.name && rule.audience == asked.audience)
    }

    /// Whether some rule covers a request.
    ///
    /// # Errors
    /// If none does; the refusal says what would be covered.
    pub fn permits(&self, method: &str, url: &Url) -> Result<(), Refusal> {
        let has_user = !url.username().is_empty() || url.password().is_some();
        if !has_user && self.http.iter().any(|rule| rule.permits(method, url)) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        // The query is left out: it may hold what nobody should read in a log.
        let asked = format!("{method} {}://{host}{port}{}", url.scheme(), url.path());
        if has_user {
            return Err(Refusal(format!("{asked} names a user in its URL, which is never allowed")));
        }
        let rules: Vec<_> = self.http.iter().map(ToString::to_string).collect();
        let allowed = if rules.is_empty() { "no HTTP request".to_owned() } else { rules.join("; ") };
        Err(Refusal(format!("{asked} is not granted; granted: {allowed}")))
    }

    /// Where a secret may be sent; none if it may not be used at all.
    pub fn secret_audience(&self, name: &str) -> Option<&Origin> {
        self.secrets.iter().find(|rule| rule.name == name).map(|rule| &rule.audience)
    }

    /// In plain words, an item a line, for the operator who decides.
    pub fn describe(&self) -> Vec<String> {
        let http = self.http.iter().map(|rule| format!("send {rule}"));
        let secrets = self.secrets.iter().map(|rule| {
            let optional = if rule.optional { " (optional)" } else { "" };
            format!("use the secret `{}`, only towards {}{optional}", rule.name, rule.audience)
        });
        let flags = [
            (self.kv, "keep small values for each organisation (kv)"),
            (self.index, "search the host's index (index)"),
            (self.embed, "use the host's embedder (embed)"),
            (self.scratch, "use an empty folder while a call lasts (scratch)"),
        ];
        let flags = flags.into_iter().filter(|(asked, _)| *asked).map(|(_, words)| words.to_owned());
        http.chain(secrets).chain(flags).collect()
    }
}

/// What a binding may do, given what its plugin asks and what the operator allowed, and how far that has come.
/// What it may do is never wider than either.
pub fn effective(asked: &Permissions, allowed: Option<&Permissions>) -> (Permissions, GrantState) {
    if asked.is_empty() {
        return (Permissions::default(), GrantState::NothingAsked);
    }
    let nothing = Permissions::default();
    let allowed = allowed.unwrap_or(&nothing);
    let missing = asked.missing_from(allowed);
    let state = if missing.is_empty() { GrantState::Granted } else { GrantState::Pending { missing } };
    (asked.intersect(allowed), state)
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
