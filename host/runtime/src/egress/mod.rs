//! The one way out, for plugins and for the host's own deliveries.
//!
//! A request is checked against the permissions of whoever sends it, secrets are put in for their audience
//! only, and the name is resolved once: the connection goes to an address that was looked at. Redirects are
//! answers; nothing follows them. Connections are shared by all senders, since whether an address may be
//! reached is a matter of configuration and not of the sender. The one exception, addresses that no operator
//! chose, is made before a connection is looked for: to them the hosts of `allow_internal` are closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardpoint_domain::grant::Permissions;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use url::{Position, Url};

pub use body::EgressBody;
pub use config::{EgressConfig, EgressConfigError, Holder, Refused, SendOptions, Senders, Timeouts, Watch};
pub use error::{EgressError, EgressErrorKind};
pub use own::{OwnAnswer, OwnPost};
pub use request::{EgressRequest, Part};
pub use resolve::Resolve;
pub use stats::{EgressStats, OriginStats};

use crate::secret::Secret;
pub use crate::secret::SecretEncoding;
use crate::stats::origin;
use crate::tape::{SentRequest, Tape};
use body::Source;
use connect::Connector;
use connection::{Connection, Unanswered};
use pool::{OriginPool, Pool};
use request::Preparation;
use stats::Counter;
use urls::Urls;

mod body;
mod config;
mod connect;
mod connection;
mod error;
mod own;
mod played;
mod policy;
mod pool;
mod proxy;
mod relay;
mod request;
mod resolve;
mod stats;
mod urls;

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Egress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connector: Connector,
    urls: Urls,
    pool: Arc<Pool>,
    timeouts: Timeouts,
    max_response: u64,
    max_request: u64,
    tape: Option<Arc<dyn Tape>>,
    watch: Option<Arc<dyn Watch>>,
    refusals: Counter,
}

/// An answer; its body follows.
#[derive(Debug)]
pub struct EgressResponse {
    /// 200 to 599 as a rule; 3xx are answers like any other.
    pub status: u16,
    /// As received.
    pub headers: HeaderMap,
    /// Read it to its end, or drop it.
    pub body: EgressBody,
}

impl Egress {
    /// From the operator's configuration.
    ///
    /// # Errors
    /// If a host, the proxy or a certificate in it is none.
    pub fn new(config: EgressConfig) -> Result<Self, EgressConfigError> {
        let shared = Shared {
            connector: Connector::new(&config)?,
            urls: Urls::default(),
            pool: Pool::new(config.idle_timeout, config.max_idle_per_origin),
            timeouts: config.timeouts,
            max_response: config.max_response_bytes,
            max_request: config.max_request_bytes,
            tape: config.tape,
            watch: config.watch,
            refusals: Counter::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends a request and waits for the head of its answer. Dropping the future closes the connection.
    ///
    /// # Errors
    /// A request that is not permitted, a host that cannot be reached or may not, a time limit, an answer
    /// that is none.
    pub async fn send(
        &self,
        request: EgressRequest,
        permissions: &Permissions,
        secrets: &BTreeMap<String, Secret>,
        options: &SendOptions<'_>,
    ) -> Result<EgressResponse, EgressError> {
        let watched = self.shared.watch.as_ref().map(|watch| (watch, request.url.clone()));
        let outcome = self.exchange(request, permissions, secrets, options).await;
        if matches!(&outcome, Err(error) if error.kind == EgressErrorKind::Denied) {
            self.shared.refusals.add(1);
            if let Some((watch, url)) = watched {
                let SendOptions { holder, organization, .. } = *options;
                watch.refused(&Refused { holder, organization, origin: origin(&url) });
            }
        }
        outcome
    }

    /// The tape, where there is one.
    pub(crate) fn tape(&self) -> Option<&Arc<dyn Tape>> {
        self.shared.tape.as_ref()
    }

    /// What was sent and refused since the host started.
    pub fn stats(&self) -> EgressStats {
        EgressStats { refusals: self.shared.refusals.get(), origins: self.shared.pool.stats() }
    }

    async fn exchange(
        &self,
        request: EgressRequest,
        permissions: &Permissions,
        secrets: &BTreeMap<String, Secret>,
        options: &SendOptions<'_>,
    ) -> Result<EgressResponse, EgressError> {
        let shared = &*self.shared;
        let url = &*shared.urls.parse(&request.url)?;
        if options.public_beyond.is_some_and(|granted| granted.permits(&request.method, url).is_err()) {
            // Before a connection that somebody else may have opened is looked for.
            shared.connector.check_public(url).await?;
        }
        let proxy = shared.connector.proxy_for(url).filter(|_| url.scheme() == "http");
        let preparation =
            Preparation { holder: options.holder, url, permissions, secrets, max_body: shared.max_request };
        let shown = shared.tape.as_ref().map(|tape| (tape, SentRequest::from(&request)));
        let mut outgoing = preparation.prepare(request, proxy.is_some()).await?;
        if let Some(played) = shown.and_then(|(tape, shown)| tape.play(&shown)) {
            return played.try_into();
        }
        if let Some(value) = proxy.and_then(|proxy| proxy.authorization()) {
            outgoing.headers_mut().insert(header::PROXY_AUTHORIZATION, value.clone());
        }
        let origin = shared.pool.origin(&url[..Position::BeforePath]);
        origin.counters.requests.add(1);
        origin.counters.bytes_sent.add(outgoing.body().size_hint().lower());
        let answer = self.converse(url, &origin, outgoing, options).await;
        if answer.is_err() {
            origin.counters.failures.add(1);
        }
        let (response, source) = answer?;
        let (head, incoming) = response.into_parts();
        let body = EgressBody::received(incoming, source)?;
        Ok(EgressResponse { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Over a waiting connection if there is one, else over a new one.
    async fn converse(
        &self,
        url: &Url,
        origin: &Arc<OriginPool>,
        mut outgoing: connection::Outgoing,
        options: &SendOptions<'_>,
    ) -> Result<(http::Response<hyper::body::Incoming>, Source), EgressError> {
        let Shared { connector, pool, .. } = &*self.shared;
        let timeouts = options.timeouts.unwrap_or(self.shared.timeouts);
        loop {
            let (mut connection, is_new) = match pool.take(origin) {
                Some(connection) => (connection, false),
                None => {
                    let transport = Box::pin(connector.connect(url, timeouts.connect)).await?;
                    origin.counters.connections.add(1);
                    (Connection::new(transport).await?, true)
                }
            };
            let mut timer = Box::pin(tokio::time::sleep(timeouts.first_byte));
            match connection.send(outgoing, timer.as_mut(), timeouts.first_byte, &origin.origin).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    let message =
                        format!("{} switched to another protocol, which nobody asked for", origin.origin);
                    return Err(EgressError::new(EgressErrorKind::Protocol, message));
                }
                Ok(response) => {
                    let (origin, pool) = (Arc::clone(origin), Arc::clone(pool));
                    let limit = options.max_response_bytes.unwrap_or(self.shared.max_response);
                    let source = Source { connection, origin, pool, timer, gap: timeouts.gap, limit };
                    return Ok((response, source));
                }
                Err(Unanswered::Unsent(request)) if !is_new => outgoing = *request,
                Err(Unanswered::Unsent(_)) => {
                    let message =
                        format!("{} closed the connection before the request was sent", origin.origin);
                    return Err(EgressError::connect(message));
                }
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
