//! Failures of an exchange, and what an HTTP status says about one.

use alloc::format;
use alloc::string::String;

use crate::bindings::shared::hardpoint::plugin::types as wit;
pub use wit::{Failure, FailureKind, TransportFailure, TransportFailureKind};

use crate::request::Header;
use crate::time;

impl Failure {
    /// A failure with nothing but a kind and a message for people.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after_ms: None, code: None, param: None }
    }

    /// The request cannot be served as it is; another attempt would fail the same way.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidRequest, message)
    }

    /// The other side failed.
    pub fn upstream(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Upstream, message)
    }

    /// The other side broke its own protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Protocol, message)
    }

    /// This plugin does not do what was asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unsupported, message)
    }

    /// The failure that an HTTP status outside 200 to 299 stands for (see [`FailureKind::of_status`]).
    pub fn of_status(status: u16, message: impl Into<String>) -> Self {
        Self { status: Some(status), ..Self::new(FailureKind::of_status(status), message) }
    }

    /// With the other side's own code for it.
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// With the request's parameter that is to blame.
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// With the time to wait, as [`retry_after_ms`] finds it.
    pub fn with_retry_after_ms(self, milliseconds: Option<u64>) -> Self {
        Self { retry_after_ms: milliseconds, ..self }
    }
}

impl FailureKind {
    /// What a status means where a provider's documents do not say otherwise. A model or path that is not
    /// there (404, 405, 410, 501) is the binding's trouble, not the caller's: `unsupported`, so that the
    /// host may fall back.
    pub fn of_status(status: u16) -> Self {
        match status {
            401..=403 | 407 => Self::Authentication,
            404 | 405 | 410 | 501 => Self::Unsupported,
            408 | 425 | 503 | 529 => Self::Overloaded,
            429 => Self::RateLimited,
            400..=499 => Self::InvalidRequest,
            500..=599 => Self::Upstream,
            _ => Self::Protocol,
        }
    }
}

/// The host knows what happened to the connection and decides by that; the kind here is the nearest.
impl From<TransportFailure> for Failure {
    fn from(failure: TransportFailure) -> Self {
        let kind = match failure.kind {
            TransportFailureKind::Denied => FailureKind::Unsupported,
            TransportFailureKind::Protocol => FailureKind::Protocol,
            _ => FailureKind::Upstream,
        };
        Self::new(kind, failure.message)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::protocol(format!("JSON: {error}"))
    }
}

/// How long an answer asks to wait: `retry-after-ms`, else `retry-after` in seconds. A date in
/// `retry-after` counts as nothing, since a plugin has no clock; absurd values are cut to a day.
pub fn retry_after_ms(headers: &[Header]) -> Option<u64> {
    const DAY: f64 = 86_400_000.0;
    let number = |name: &str, unit: f64| {
        let text = header(headers, name)?.trim();
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = text.parse::<f64>().ok().filter(|_| is_plain)? * unit;
        Some(value.clamp(0.0, DAY) as u64)
    };
    number("retry-after-ms", 1.0).or_else(|| number("retry-after", 1000.0))
}

/// How long an answer asks to wait, for a plugin that was told the time: as [`retry_after_ms`], and from a date in
/// `retry-after` too, which counts as nothing to wait for where it is past. `now` is in microseconds since the Unix
/// epoch.
pub fn retry_after_ms_at(headers: &[Header], now: u64) -> Option<u64> {
    const DAY: u64 = 86_400_000;
    retry_after_ms(headers).or_else(|| {
        let date = time::http_date(header(headers, "retry-after")?)?;
        Some(date.saturating_mul(1_000).saturating_sub(now / 1_000).min(DAY))
    })
}

/// The first value of a header, by its lower-case name; none if it is not UTF-8.
pub fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.name == name)?;
    core::str::from_utf8(&found.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, value: &str) -> Vec<Header> {
        vec![Header { name: name.into(), value: value.into() }]
    }

    #[test]
    fn reads_how_long_to_wait() {
        for (name, value, wait) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", " 0.5 ", Some(500)),
            ("retry-after-ms", "125", Some(125)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("retry-after", "-1", None),
            ("retry-after", "1e9", None),
            ("retry-after", "99999999999999999999", Some(86_400_000)),
            ("retry-after", "", None),
            ("x-other", "2", None),
        ] {
            assert_eq!(retry_after_ms(&headers(name, value)), wait, "{name}: {value}");
        }
        let both = [headers("retry-after", "9"), headers("retry-after-ms", "7")].concat();
        assert_eq!(retry_after_ms(&both), Some(7));
    }

    #[test]
    fn reads_dates_where_the_time_is_known() {
        let now = 784_111_777_500_000;
        for (value, wait) in [
            ("2", Some(2_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(9_500)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(9_500)),
            ("Sun Nov  6 08:49:47 1994", Some(9_500)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", Some(86_400_000)),
            ("soon", None),
        ] {
            assert_eq!(retry_after_ms_at(&headers("retry-after", value), now), wait, "{value}");
        }
    }

    #[test]
    fn a_missing_model_is_not_the_callers_fault() {
        assert_eq!(FailureKind::of_status(404), FailureKind::Unsupported);
        assert_eq!(FailureKind::of_status(422), FailureKind::InvalidRequest);
        assert_eq!(FailureKind::of_status(302), FailureKind::Protocol);
        assert_eq!(FailureKind::of_status(529), FailureKind::Overloaded);
    }
}
