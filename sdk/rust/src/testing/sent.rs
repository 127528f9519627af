use serde_json::Value;

use crate::request::{Compression, HttpRequest, Part, SecretEncoding};

/// A request that a plugin sent. Secrets show as `{secret:NAME}`, with an encoding as
/// `{secret:NAME|base64}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub exchange: u32,
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// As text; what is not UTF-8 is replaced.
    pub body: String,
    /// The body's bytes.
    pub bytes: Vec<u8>,
    /// Whether the host is asked to compress it.
    pub gzip: bool,
}

impl Sent {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body from JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("the body of the request is no JSON: {error}\n{}", self.body))
    }

    /// Checks what the host would check.
    pub(super) fn check(request: HttpRequest) -> Self {
        let HttpRequest { exchange, method, url, headers, body, compression } = request;
        assert!(
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()),
            "`{method}` is no method in capitals"
        );
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(has_host && is_plain, "`{url}` is no absolute URL");
        let headers = headers.into_iter().map(|header| {
            let name = header.name.to_ascii_lowercase();
            let hosts_own = ["host", "content-length", "transfer-encoding", "connection", "content-encoding"];
            assert!(!hosts_own.contains(&name.as_str()), "the header `{name}` is the host's");
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(token), "`{name}` is no header name");
            let value = show(&header.value);
            assert!(!value.contains(['\r', '\n', '\0']), "the value of `{name}` breaks the line");
            (name, value)
        });
        Self {
            exchange,
            method,
            url,
            headers: headers.collect(),
            body: show(&body),
            bytes: shown(&body),
            gzip: compression == Compression::Gzip,
        }
    }
}

fn show(parts: &[Part]) -> String {
    String::from_utf8_lossy(&shown(parts)).into_owned()
}

fn shown(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Bytes(bytes) => out.extend_from_slice(bytes),
            Part::Secret(secret) => {
                let encoding = match secret.encoding {
                    SecretEncoding::Raw => "",
                    SecretEncoding::Json => "|json",
                    SecretEncoding::Base64 => "|base64",
                    SecretEncoding::Url => "|url",
                };
                out.extend_from_slice(format!("{{secret:{}{encoding}}}", secret.name).as_bytes());
            }
        }
    }
    out
}
