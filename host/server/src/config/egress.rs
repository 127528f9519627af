//! `[egress]`: how plugins' requests leave the host.

use std::path::PathBuf;

use serde::Deserialize;

use super::units::{Size, Span};

/// `[egress]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// Hosts (`name`, `name:port` or `*.name`) that may resolve to loopback, private or other special addresses.
    pub allow_internal: Vec<String>,
    /// Hosts, written alike, at such addresses that webhooks may be sent to; over http too. Organisations choose where
    /// their webhooks go, so these are a list of their own.
    pub allow_internal_webhooks: Vec<String>,
    /// A proxy for all outbound requests, `http://host:port`.
    pub proxy: Option<String>,
    /// For name resolution, connection and TLS handshake together.
    pub connect_timeout: Span,
    /// From the request's last byte to the answer's first.
    pub first_byte_timeout: Span,
    /// Between two pieces of an answer.
    pub gap_timeout: Span,
    /// The largest answer.
    pub max_response: Size,
    /// The largest body of a request, before compression.
    pub max_request: Size,
    /// A file of certificates in PEM that are trusted beside the system's: an organisation's own authority.
    pub extra_roots: Option<PathBuf>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow_internal: Vec::new(),
            allow_internal_webhooks: Vec::new(),
            proxy: None,
            connect_timeout: Span::seconds(10),
            first_byte_timeout: Span::seconds(120),
            gap_timeout: Span::seconds(60),
            max_response: Size(64 << 20),
            max_request: Size(64 << 20),
            extra_roots: None,
        }
    }
}
