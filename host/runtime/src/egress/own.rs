//! Requests of the host's own, to addresses that its clients chose: webhooks. They carry nothing of the operator's,
//! and reach public addresses alone, and those internal hosts that the configuration of this [`Egress`] names.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hardpoint_domain::grant::{HttpRule, Permissions};
use hardpoint_domain::origin::Origin;
use http::header;
use url::Url;

use super::config::{SendOptions, Timeouts};
use super::connect::port;
use super::error::{EgressError, EgressErrorKind};
use super::request::{EgressRequest, Part};
use super::urls::parse_url;
use super::{Egress, policy};

/// Of an answer's body so much may be sent; it is not read.
const MAX_ANSWER: u64 = 1 << 20;

/// A `POST` of the host's own.
#[derive(Clone, Debug)]
pub struct OwnPost {
    /// Where to, absolute.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// As it is sent.
    pub body: Bytes,
}

/// What of an answer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAnswer {
    /// 3xx are answers like any other: nobody follows them.
    pub status: u16,
    /// As it was sent.
    pub retry_after: Option<String>,
}

impl Egress {
    /// Whether something may be posted to this URL, as far as it says itself: what a name stands for is looked at
    /// when something is sent.
    ///
    /// # Errors
    /// [`EgressErrorKind::Denied`], with why.
    pub fn check_post(&self, url: &str) -> Result<(), EgressError> {
        self.own_url(url).map(drop)
    }

    /// Posts something and waits for the head of the answer, all within `limit`.
    ///
    /// # Errors
    /// As [`Egress::send`].
    pub async fn post(&self, post: OwnPost, limit: Duration) -> Result<OwnAnswer, EgressError> {
        let permissions = self.own_url(&post.url).and_then(|url| only(&url))?;
        let headers = post.headers.into_iter().map(|(name, value)| (name.to_owned(), vec![bytes(value)]));
        let request = EgressRequest {
            method: "POST".to_owned(),
            url: post.url,
            headers: headers.collect(),
            body: vec![Part::Bytes(post.body)],
            gzip: false,
        };
        let timeouts = Timeouts { connect: limit, first_byte: limit, gap: limit };
        let options = SendOptions::for_binding("webhooks").max_response(MAX_ANSWER).timeouts(timeouts);
        let secrets = BTreeMap::new();
        let sent = self.send(request, &permissions, &secrets, &options);
        let answer = tokio::time::timeout(limit, sent).await.map_err(|_| too_slow(limit))??;
        let retry_after = answer.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        answer.body.drain();
        Ok(OwnAnswer { status: answer.status, retry_after })
    }

    fn own_url(&self, text: &str) -> Result<Url, EgressError> {
        let url = parse_url(text)?;
        let connector = &self.shared.connector;
        if connector.is_internal(&url) {
            return Ok(url);
        }
        if url.scheme() != "https" {
            let message = "the URL is refused: its scheme must be https; http is for internal hosts that an operator \
                           names in `egress.allow_internal_webhooks`";
            return Err(EgressError::denied(message));
        }
        let host = url.host().ok_or_else(|| EgressError::denied("the URL has no host"))?;
        policy::check_unresolved(connector.senders(), &host, port(&url))?;
        Ok(url)
    }
}

/// The URL's origin and nothing else.
fn only(url: &Url) -> Result<Permissions, EgressError> {
    let refused =
        |reason: &dyn std::fmt::Display| EgressError::denied(format!("the URL is refused: {reason}"));
    let origin = Origin::of(url).ok_or_else(|| refused(&"it has no origin"))?;
    let rule = format!("POST {origin}").parse::<HttpRule>().map_err(|error| refused(&error))?;
    Ok(Permissions { http: vec![rule], ..Permissions::default() })
}

fn bytes(text: String) -> Part {
    Part::Bytes(text.into())
}

fn too_slow(limit: Duration) -> EgressError {
    EgressError::new(EgressErrorKind::Timeout, format!("no answer within {} ms", limit.as_millis()))
}
