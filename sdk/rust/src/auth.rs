//! Credentials in headers, for plugins whose settings say where the other side wants to see them.

use alloc::format;

use serde::Deserialize;

use crate::failure::Failure;
use crate::parts;
use crate::request::{Request, Secret};

/// How a credential stands in its header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// `Bearer …` (RFC 6750).
    #[default]
    Bearer,
    /// `Basic …` (RFC 7617): the secret is `user:password`.
    Basic,
    /// As it is, behind a prefix.
    Raw,
    /// Not at all.
    None,
}

/// Headers that are the host's.
const HOSTS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers that carry credentials, which are secrets and no settings.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

impl Auth {
    /// Adds the header. A secret that is optional and was not given leaves it out. `prefix` is for
    /// [`Auth::Raw`].
    pub fn place(self, request: Request, header: &str, prefix: &str, credential: Secret<'_>) -> Request {
        match self {
            Self::Bearer => request.header(header, parts!["Bearer ", credential]),
            Self::Basic => request.header(header, parts!["Basic ", credential.base64()]),
            Self::Raw => request.header(header, parts![prefix, credential]),
            Self::None => request,
        }
    }

    /// Checks names of headers that come from settings, and that of the credential's.
    ///
    /// # Errors
    /// `unsupported` if one is the host's, if a credential would go past the host's secrets, or if one is there
    /// twice.
    pub fn check<'a>(self, header: &str, others: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
        let header = header.to_ascii_lowercase();
        if HOSTS.contains(&header.as_str()) || header == "content-type" {
            return Err(Failure::unsupported(format!("`{header}` is no header for a credential")));
        }
        for name in others {
            let name = name.to_ascii_lowercase();
            if HOSTS.contains(&name.as_str()) {
                return Err(Failure::unsupported(format!("the header `{name}` is the host's")));
            }
            if CREDENTIALS.contains(&name.as_str()) {
                let reason = format!("the header `{name}` carries a credential: give it as a secret");
                return Err(Failure::unsupported(reason));
            }
            if self != Self::None && name == header {
                return Err(Failure::unsupported(format!("the header `{name}` is the credential's")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_settings_may_not_hold() {
        for (header, other, fits) in [
            ("authorization", "x-tenant", true),
            ("x-key", "Content-Type", true),
            ("Cookie", "x", true),
            ("x-key", "Authorization", false),
            ("x-key", "proxy-authorization", false),
            ("x-key", "COOKIE", false),
            ("x-key", "X-Key", false),
            ("x-key", "Host", false),
            ("Host", "x", false),
            ("content-type", "x", false),
        ] {
            assert_eq!(Auth::Raw.check(header, [other]).is_ok(), fits, "{header} {other}");
        }
        assert!(Auth::None.check("x-key", ["x-key"]).is_ok());
        assert!(Auth::None.check("x-key", ["authorization"]).is_err());
    }
}
