//! Answers from a tape.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{EgressBody, EgressError, EgressErrorKind, EgressResponse};
use crate::tape::PlayedAnswer;

impl TryFrom<PlayedAnswer> for EgressResponse {
    type Error = EgressError;

    /// Fails where there was no answer, or its headers cannot be headers.
    fn try_from(played: PlayedAnswer) -> Result<Self, EgressError> {
        let broken = played.broken.map(|kind| EgressError::new(kind, "the recorded answer breaks off here"));
        let Some(status) = played.status else {
            let nothing = || EgressError::new(EgressErrorKind::Reset, "the recording has no answer");
            return Err(broken.unwrap_or_else(nothing));
        };
        let mut headers = HeaderMap::with_capacity(played.headers.len());
        for (name, value) in played.headers {
            let no_header = || {
                EgressError::new(EgressErrorKind::Protocol, format!("the recorded header `{name}` is none"))
            };
            let (Ok(key), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::try_from(value)) else {
                return Err(no_header());
            };
            headers.append(key, value);
        }
        let pieces = played.chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(Ok);
        Ok(Self { status, headers, body: EgressBody::played(pieces.chain(broken.map(Err))) })
    }
}
