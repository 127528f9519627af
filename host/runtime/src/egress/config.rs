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

/// Who sends, and may so reach other internal hosts than others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Senders {
    /// Plugins, and the host where an operator chose the address.
    #[default]
    Plugins,
    /// The host, to addresses that its clients chose.
    Webhooks,
}

/// How egress is set up.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Who sends through it.
    pub senders: Senders,
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
    /// Is told what is refused, for the audit log.
    pub watch: Option<Arc<dyn Watch>>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            senders: Senders::default(),
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
            watch: None,
        }
    }
}

/// Is told of refusals. Guests can cause any number of them: whoever writes them down adds them up.
pub trait Watch: std::fmt::Debug + Send + Sync {
    /// A request was refused before anything of it left.
    fn refused(&self, refused: &Refused<'_>);
}

/// A request that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// On whose behalf it was sent.
    pub holder: Holder<'a>,
    /// For which organisation, where it was for one.
    pub organization: Option<&'a str>,
    /// Where to: `https://host`, as far as it is a URL.
    pub origin: &'a str,
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
    /// The organisation for which it is sent, for the audit log.
    pub organization: Option<&'a str>,
}

impl<'a> SendOptions<'a> {
    /// Of what has no plugin behind it: the host itself, or one that is being written. With the configured limits.
    pub fn for_binding(binding: &'a str) -> Self {
        Self::of(Holder { binding, plugin: binding, declared: None })
    }

    /// With the configured limits.
    pub fn of(holder: Holder<'a>) -> Self {
        Self { holder, timeouts: None, max_response_bytes: None, public_beyond: None, organization: None }
    }

    /// With another limit on the answer, in bytes.
    pub fn max_response(self, bytes: u64) -> Self {
        Self { max_response_bytes: Some(bytes), ..self }
    }

    /// For this organisation.
    pub fn organization(self, id: &'a str) -> Self {
        Self { organization: Some(id), ..self }
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
