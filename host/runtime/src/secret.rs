//! Secrets: values that the host writes into requests and takes out of everything that is read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hardpoint_domain::origin::Origin;

use redact::Redactor;
pub(crate) use redact::StreamRedactor;

mod redact;

/// How a secret is written into the place where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretEncoding {
    /// As it is.
    Raw,
    /// Escaped for the inside of a JSON string.
    Json,
    /// Standard base64 with padding.
    Base64,
    /// Percent-encoded; RFC 3986's unreserved characters stay.
    Url,
}

/// A value and the only origin that it may be sent to. Cheap to clone; never shown.
#[derive(Clone, PartialEq)]
pub struct Secret {
    /// In the order of [`SecretEncoding`], encoded once.
    forms: Arc<[Bytes; 4]>,
    audience: Origin,
}

impl Secret {
    /// A secret for `audience`.
    pub fn new(value: impl Into<String>, audience: Origin) -> Self {
        let value = value.into();
        let forms = [json(&value), STANDARD.encode(&value), percent(&value)].map(Bytes::from);
        let [json, base64, url] = forms;
        Self { forms: Arc::new([Bytes::from(value), json, base64, url]), audience }
    }

    /// The only origin that it may be sent to.
    pub fn audience(&self) -> &Origin {
        &self.audience
    }

    /// The value, to be written into a request and nowhere else.
    pub(crate) fn encoded(&self, encoding: SecretEncoding) -> &Bytes {
        &self.forms[encoding as usize]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(for {})", self.audience)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(redact::MARK)
    }
}

fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(value: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The secrets of a binding by their names in the manifest, and what finds them in text.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretSet {
    by_name: BTreeMap<String, Secret>,
    redactor: Arc<Redactor>,
}

impl SecretSet {
    /// From a binding's secrets.
    pub(crate) fn new(by_name: BTreeMap<String, Secret>) -> Self {
        let redactor = Arc::new(Redactor::new(by_name.values()));
        Self { by_name, redactor }
    }

    /// These, with others for the time of one call; a name that is there already means the new one.
    /// The old values are still taken out of what is read.
    pub(crate) fn with(&self, others: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let mut by_name = self.by_name.clone();
        by_name.extend(others);
        let redactor = Arc::new(Redactor::new(self.by_name.values().chain(by_name.values())));
        Self { by_name, redactor }
    }

    /// By the manifest's names.
    pub(crate) fn by_name(&self) -> &BTreeMap<String, Secret> {
        &self.by_name
    }

    /// The text with every secret in every encoding replaced by `[redacted]`.
    pub(crate) fn redact_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.redactor.redact(text.as_bytes()) {
            None => Cow::Borrowed(text),
            // Secrets are whole texts themselves, so what is left is text as well.
            Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The bytes with every secret in every encoding replaced by `[redacted]`.
    pub(crate) fn redact_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.redactor.redact(&bytes).unwrap_or(bytes)
    }

    /// For a body that comes in pieces; none where there is nothing to look for.
    pub(crate) fn stream_redactor(&self) -> Option<StreamRedactor> {
        (!self.redactor.is_empty()).then(|| StreamRedactor::new(Arc::clone(&self.redactor)))
    }
}

#[cfg(test)]
mod tests;
