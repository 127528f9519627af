//! How limits stand, in the headers of every answer that counts against one: those of the documented API, and the
//! pair of the IETF's draft "RateLimit header fields for HTTP".

use hardpoint_domain::quota::Standing;
use hardpoint_domain::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Puts them in.
pub(super) fn put(headers: &mut HeaderMap, standing: &Standing, now: Timestamp) {
    let Standing { limit, remaining, reset } = standing;
    let (most, window) = (limit.most, limit.count.window);
    let left = reset.since(now).as_micros().div_ceil(1_000_000);
    let name = format!("{}-per-{}", limit.count.meter.as_str(), window.as_str());
    let policy = format!("\"{name}\";q={most};w={}", window.length().as_secs());
    let state = format!("\"{name}\";r={remaining};t={left}");
    headers.insert(LIMIT, HeaderValue::from(most));
    headers.insert(REMAINING, HeaderValue::from(*remaining));
    headers.insert(RESET, HeaderValue::from(reset.seconds()));
    for (header, text) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header, value);
        }
    }
}
