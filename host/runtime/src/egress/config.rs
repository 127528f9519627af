//! What the operator decides about the outside world, and what one request may use of it.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::grant::Permissions;

use super::resolve::Resolve;
use crate::tape::Tape;

/// Time limits of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection: resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the request's first byte to the head of the answer.
    pub first_byte: Duration,
    /// Between pieces of the answer's body.
    pub gap: Duration,
}

impl Default for Timeouts {
    /// 10 s, two minutes, one minute.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            gap: Duration::from_secs(60),
        }
    }
}

/// How egress is set up.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Hosts that may be on private addresses: `host`, `host:port`, `*.host` or an IP address. They are
    /// reached directly, also where there is a proxy.
    pub allow_internal: Vec<String>,
    /// An outbound proxy, `http://[user:password@]host[:port]`. It resolves names itself.
    pub proxy: Option<String>,
    /// Time limits, where a request brings none.
    pub timeouts: Timeouts,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How many connections to one origin may wait.
    pub max_idle_per_origin: usize,
    /// The largest answer in bytes, where a request brings no limit.
    pub max_response_bytes: u64,
    /// The largest body of a request in bytes, before compression.
    pub max_request_bytes: u64,
    /// Certificates in PEM that are trusted beside the system's.
    pub extra_roots_pem: Vec<u8>,
    /// Plays answers in the network's place, or listens; a server has none.
    pub tape: Option<Arc<dyn Tape>>,
    /// In the place of the system's resolver.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow_internal: Vec::new(),
            proxy: None,
            timeouts: Timeouts::default(),
            idle_timeout: Duration::from_secs(30),
            max_idle_per_origin: 256,
            max_response_bytes: 64 << 20,
            max_request_bytes: 64 << 20,
            extra_roots_pem: Vec::new(),
            tape: None,
            resolver: None,
        }
    }
}

/// On whose behalf something is done: named in refusals, with what would allow it.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// The binding.
    pub binding: &'a str,
    /// Its plugin's id.
    pub plugin: &'a str,
    /// Where the configuration says what it may do, if it does.
    pub declared: Option<&'a str>,
}

impl Holder<'_> {
    /// How an operator allows it more, for the end of a sentence.
    pub fn how_to_allow(&self) -> String {
        let Self { binding, plugin, declared } = self;
        match declared {
            Some(table) => format!("an operator may add it to [{table}] in hardpoint.toml"),
            None if binding == plugin => {
                format!("to see what is asked and allow it: hardpoint plugin grant {plugin}")
            }
            None => {
                format!(
                    "to see what is asked and allow it: hardpoint plugin grant {plugin} --binding {binding}"
                )
            }
        }
    }

    /// Where its secrets are named. A binding of its plugin's name may stand in either table, but only in one.
    pub(super) fn secrets_table(&self) -> String {
        let Self { binding, plugin, declared } = self;
        match declared.and_then(|table| table.strip_suffix(".grant")) {
            Some(table) => format!("`[{table}.secrets]`"),
            None if binding == plugin => {
                format!(
                    "`[plugins.{plugin}.secrets]`, or `[bindings.{binding}.secrets]` where it stands there"
                )
            }
            None => format!("`[bindings.{binding}.secrets]`"),
        }
    }
}

/// What one request may use, and on whose behalf it is sent.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions<'a> {
    /// On whose behalf.
    pub holder: Holder<'a>,
    /// The configured ones if none.
    pub timeouts: Option<Timeouts>,
    /// The configured one if none.
    pub max_response_bytes: Option<u64>,
    /// Set where somebody else than an operator chose where to send: only what these cover may be on a
    /// host of `egress.allow_internal`, everything else must be public.
    pub public_beyond: Option<&'a Permissions>,
}

impl<'a> SendOptions<'a> {
    /// Of what has no plugin behind it: the host itself, or one that is being written. With the configured limits.
    pub fn for_binding(binding: &'a str) -> Self {
        Self::of(Holder { binding, plugin: binding, declared: None })
    }

    /// With the configured limits.
    pub fn of(holder: Holder<'a>) -> Self {
        Self { holder, timeouts: None, max_response_bytes: None, public_beyond: None }
    }

    /// With another limit on the answer, in bytes.
    pub fn max_response(self, bytes: u64) -> Self {
        Self { max_response_bytes: Some(bytes), ..self }
    }

    /// With internal hosts only where these permissions, an operator's, cover the request.
    pub fn public_beyond(self, granted: &'a Permissions) -> Self {
        Self { public_beyond: Some(granted), ..self }
    }

    /// With other time limits.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts: Some(timeouts), ..self }
    }
}

/// Egress cannot be set up like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressConfigError {
    /// An entry that is neither host nor address.
    #[error("egress.allow_internal: {0}")]
    AllowInternal(String),
    /// A proxy that is no `http://` URL.
    #[error("egress.proxy must be `http://[user:password@]host[:port]`")]
    Proxy,
    /// Certificates that are none.
    #[error("trusted certificates: {0}")]
    Roots(String),
}
