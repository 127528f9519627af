//! `[server]`: the listener and what it takes in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::{Size, Span};

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address and port to listen on.
    pub listen: String,
    /// The folder for everything the host keeps on this machine.
    pub data: PathBuf,
    /// The largest JSON body.
    pub max_json_body: Size,
    /// The largest uploaded file.
    pub max_upload: Size,
    /// How long a client may take to send a request's head.
    pub header_timeout: Span,
    /// How long a client may neither send more of a request's body nor take more of an answer.
    pub stall_timeout: Span,
    /// Connections at once; others wait to be accepted.
    pub max_connections: u32,
    /// How long answers under way may go on after the signal to stop.
    pub shutdown_grace: Span,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Where those are sent whose plan does not allow what they ask: an address, or a path of this host's.
    pub upgrade_url: String,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Whoever reaches the listener.
    Open,
    /// Whoever has an operator's key.
    Operator,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data: PathBuf::from("data"),
            max_json_body: Size(10_000_000),
            max_upload: Size(100_000_000),
            header_timeout: Span::seconds(30),
            stall_timeout: Span::seconds(60),
            max_connections: 10_000,
            shutdown_grace: Span::seconds(30),
            metrics: MetricsAccess::Open,
            upgrade_url: "/billing".to_owned(),
        }
    }
}
