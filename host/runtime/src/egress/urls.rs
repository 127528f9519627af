//! URLs that may be sent to at all, and those parsed lately: an adapter asks for the same few again and
//! again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

use super::error::EgressError;

const MAX_URL: usize = 16 << 10;
/// Longer ones carry what belongs to one request.
const KEPT_LENGTH: usize = 256;
/// When there are more, all are forgotten.
const KEPT: usize = 256;

/// Parses, and remembers.
#[derive(Debug, Default)]
pub(super) struct Urls(RwLock<HashMap<Box<str>, Arc<Url>>>);

impl Urls {
    /// The URL, if it is one that may be sent to at all.
    pub(super) fn parse(&self, text: &str) -> Result<Arc<Url>, EgressError> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Ok(Arc::clone(known));
        }
        let url = Arc::new(parse_url(text)?);
        if text.len() <= KEPT_LENGTH {
            let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(text.into(), Arc::clone(&url));
        }
        Ok(url)
    }
}

/// The URL, if it is one that may be sent to at all.
pub(super) fn parse_url(text: &str) -> Result<Url, EgressError> {
    let denied = |reason: &str| EgressError::denied(format!("the URL is refused: {reason}"));
    if text.len() > MAX_URL {
        return Err(denied("it is longer than 16 KiB"));
    }
    // Parsers drop or turn these, each in its own way.
    if text.bytes().any(|byte| byte <= b' ' || byte == b'\\' || byte == 0x7f) {
        return Err(denied("it holds white space, control characters or backslashes"));
    }
    let url = Url::parse(text).map_err(|error| denied(&error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(denied("its scheme is neither https nor http"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(denied("it names a user; put credentials into a header, as a secret"));
    }
    if url.fragment().is_some() {
        return Err(denied("it has a fragment, which is never sent"));
    }
    Ok(url)
}
