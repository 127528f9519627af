//! Which addresses a request may reach. Only public ones, unless the operator named the host.

use std::net::IpAddr;

use hardpoint_domain::address::{self, AddressClass};
use hardpoint_domain::pattern::HostPattern;
use url::Host;

use super::config::{EgressConfigError, Senders};
use super::error::EgressError;

/// The hosts of `egress.allow_internal`.
#[derive(Debug)]
pub(super) struct Internal(Vec<(HostPattern, Option<u16>)>);

impl Internal {
    pub(super) fn new(entries: &[String]) -> Result<Self, EgressConfigError> {
        entries.iter().map(|entry| parse(entry)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the operator named this host, as it stands in the URL. What a name resolves to has no say:
    /// that an address is allowed does not allow every name that somebody points at it.
    pub(super) fn names(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|(pattern, only)| only.is_none_or(|only| only == port) && pattern.matches(host))
    }
}

fn parse(entry: &str) -> Result<(HostPattern, Option<u16>), EgressConfigError> {
    let error =
        |reason: &dyn std::fmt::Display| EgressConfigError::AllowInternal(format!("`{entry}`: {reason}"));
    if entry.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((HostPattern::parse(&format!("[{entry}]")).map_err(|cause| error(&cause))?, None));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse::<u16>().map_err(|_| error(&"the port is no number up to 65535"))?;
            (host, Some(port))
        }
        _ => (entry, None),
    };
    Ok((HostPattern::parse(host).map_err(|cause| error(&cause))?, port))
}

/// Refuses unless every address is public: one private address among many is enough to be led astray.
pub(super) fn check(
    senders: Senders,
    host: &str,
    port: u16,
    addresses: &[IpAddr],
) -> Result<(), EgressError> {
    let class = addresses.iter().map(|&ip| address::class(ip)).find(|class| *class != AddressClass::Public);
    class.map_or(Ok(()), |class| Err(refusal(senders, host, port, class)))
}

/// For hosts whose name a proxy resolves: what can be known of them from here.
pub(super) fn check_unresolved(senders: Senders, host: &Host<&str>, port: u16) -> Result<(), EgressError> {
    match host {
        Host::Ipv4(ip) => check(senders, &ip.to_string(), port, &[IpAddr::V4(*ip)]),
        Host::Ipv6(ip) => check(senders, &format!("[{ip}]"), port, &[IpAddr::V6(*ip)]),
        Host::Domain(name) if *name == "localhost" || name.ends_with(".localhost") => {
            Err(refusal(senders, name, port, AddressClass::Loopback))
        }
        Host::Domain(_) => Ok(()),
    }
}

/// The class is told, the address is not: who chose it has no business mapping an inner network.
fn refusal(senders: Senders, host: &str, port: u16, class: AddressClass) -> EgressError {
    if senders == Senders::Webhooks {
        return EgressError::denied(format!(
            "{host} is at a {class} address, which webhooks may not reach; an operator may allow this host with \
             \"{host}:{port}\" in `egress.allow_internal_webhooks` of the configuration"
        ));
    }
    EgressError::denied(format!(
        "{host} is at a {class} address, which plugins may not reach; an operator may allow this host to bindings that \
         name it in their settings, with \"{host}:{port}\" in `egress.allow_internal` of the configuration"
    ))
}
