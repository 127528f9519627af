//! How limits stand, in the headers of every answer that counts against one: those of the documented API for the
//! tightest, and the pair of the IETF's draft "RateLimit header fields for HTTP", which names tokens too.

use std::fmt::Write as _;

use hardpoint_domain::quota::Standing;
use hardpoint_domain::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Puts them in: how the tightest limit of requests stands, and the tightest of tokens. The documented headers count
/// requests, unless tokens kept this one out.
pub(super) fn put(
    headers: &mut HeaderMap,
    standings: &[Option<Standing>; 2],
    tokens_kept_out: bool,
    now: Timestamp,
) {
    let [requests, tokens] = standings;
    let (first, second) = if tokens_kept_out { (tokens, requests) } else { (requests, tokens) };
    let all = first.iter().chain(second);
    let Some(Standing { limit, remaining, reset }) = all.clone().next() else { return };
    headers.insert(LIMIT, HeaderValue::from(limit.most));
    headers.insert(REMAINING, HeaderValue::from(*remaining));
    headers.insert(RESET, HeaderValue::from(reset.seconds()));
    let (mut policy, mut state) = (String::new(), String::new());
    for Standing { limit, remaining, reset } in all {
        let (most, meter, window) = (limit.most, limit.count.meter.as_str(), limit.count.window);
        let (length, left) = (window.length().as_secs(), reset.since(now).as_micros().div_ceil(1_000_000));
        let comma = if policy.is_empty() { "" } else { ", " };
        let name = format!("{comma}\"{meter}-per-{}\"", window.as_str());
        // Text takes whatever is written.
        let _ = write!(policy, "{name};q={most};w={length}");
        let _ = write!(state, "{name};r={remaining};t={left}");
    }
    for (header, text) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header, value);
        }
    }
}
