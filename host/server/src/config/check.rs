//! What can only be said of the configuration as a whole.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;

use hardpoint_domain::id::PluginId;
use hardpoint_domain::knowledge::score::Calibration;
use hardpoint_domain::knowledge::settings::MOST_DIMENSIONS;
use hardpoint_domain::model::Model;
use url::Url;

use super::database::MOST_TOLERATED;
use super::read::Problem;
use super::{Config, EgressConfig, Span, storage};

/// Everything that is wrong with it. `bindings` are all that were written, those among them that could
/// not be read included: what is wrong with them was said already.
pub(super) fn check(config: &Config, bindings: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_server(config, &mut problems);
    check_places(config, &mut problems);
    check_clocks(config, &mut problems);
    storage::check(config, &mut problems);
    check_models(config, bindings, &mut problems);
    problems
}

/// Claims are leases in time: two hosts' clocks may be apart by twice the tolerance, and who holds one has to prolong it in
/// what is left. Beside SQLite there is no other host.
fn check_clocks(config: &Config, problems: &mut Vec<Problem>) {
    let (tolerance, lease) = (config.database.clock_tolerance, config.siem.lease);
    let key = "database.clock_tolerance";
    if tolerance.0 > MOST_TOLERATED {
        problems.push(Problem::new(key, format!("must be {} at most", Span(MOST_TOLERATED))));
    }
    if tolerance.0.is_zero() {
        problems.push(Problem::new(key, "must be longer than nothing"));
    }
    if config.database.url.is_some() && lease.0 < 4 * tolerance.0 {
        let message = format!("must be a quarter of siem.lease, {lease}, at most");
        problems.push(Problem::new(key, message));
    }
}

fn check_server(config: &Config, problems: &mut Vec<Problem>) {
    let server = &config.server;
    // Numeric addresses are parsed; a name would be looked up, which is not this function's to wait for.
    let is_name = server
        .listen
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_name || (server.listen.starts_with('[') && server.listen.to_socket_addrs().is_err()) {
        let message =
            format!("`{}` is no address to listen on: write `127.0.0.1:8080` or `[::]:8080`", server.listen);
        problems.push(Problem::new("server.listen", message));
    }
    let spans = [
        ("server.header_timeout", server.header_timeout),
        ("server.stall_timeout", server.stall_timeout),
        ("plugins.scan_interval", config.plugins.scan_interval),
        ("egress.connect_timeout", config.egress.connect_timeout),
        ("egress.first_byte_timeout", config.egress.first_byte_timeout),
        ("egress.gap_timeout", config.egress.gap_timeout),
    ];
    for (key, Span(span)) in spans {
        if span.is_zero() {
            problems.push(Problem::new(key, "must be longer than nothing"));
        }
    }
    for (key, count) in [
        ("plugins.sandboxes", config.plugins.sandboxes),
        ("plugins.sandboxes_per_organization", config.plugins.sandboxes_per_organization),
        ("server.max_connections", config.server.max_connections),
        ("completions.attempts", config.completions.attempts),
    ] {
        if count == 0 {
            problems.push(Problem::new(key, "must be at least 1"));
        }
    }
    if let Err(error) = config.log.filter() {
        problems.push(Problem::new("log.level", error.to_string()));
    }
}

/// Addresses outside this process.
fn check_places(config: &Config, problems: &mut Vec<Problem>) {
    if let Some(url) = &config.database.url {
        let scheme = Url::parse(url.reveal()).map(|url| url.scheme().to_owned()).unwrap_or_default();
        if !matches!(scheme.as_str(), "postgres" | "postgresql") {
            let message = "is no `postgres://host/database`; leave it out for SQLite in the data folder";
            problems.push(Problem::new("database.url", message));
        }
    }
    if let Some(proxy) = &config.egress.proxy
        && !Url::parse(proxy).is_ok_and(|url| url.scheme() == "http" && url.host_str().is_some())
    {
        // It may hold a password.
        problems.push(Problem::new("egress.proxy", "is no `http://host:port`"));
    }
    let EgressConfig { allow_internal, allow_internal_webhooks, .. } = &config.egress;
    for (key, entries) in
        [("allow_internal", allow_internal), ("allow_internal_webhooks", allow_internal_webhooks)]
    {
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| !is_host_or_host_port(entry)) {
            let message =
                format!("`{entry}` is neither `host`, `host:port` nor `*.host`; leave scheme and path out");
            problems.push(Problem::new(format!("egress.{key}.{at}"), message));
        }
    }
}

fn is_host_or_host_port(entry: &str) -> bool {
    let host = entry.strip_prefix("*.").unwrap_or(entry);
    !host.contains(['/', '@', '*'])
        && Url::parse(&format!("http://{host}/")).is_ok_and(|url| url.host_str().is_some())
}

fn check_models(config: &Config, bindings: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (at, model) in config.models.iter().enumerate() {
        let key = |member: &str| config.places.model(at, member);
        if model.id.is_empty() || model.id.contains(char::is_whitespace) {
            problems.push(Problem::new(
                key("id"),
                format!("`{}` is no id: it must have no spaces and not be empty", model.id),
            ));
        }
        if !seen.insert(model.id.as_str()) {
            problems.push(Problem::new(key("id"), format!("there are two models `{}`", model.id)));
        }
        let binding = &model.binding;
        // A plugin without a binding of its own has one of its id: whether there is such a plugin, only the
        // plugins folder can tell.
        if !bindings.contains(binding) && PluginId::parse(binding).is_err() {
            problems.push(Problem::new(key("binding"), no_binding(binding, "")));
        }
        if model.dimensions.is_some_and(|number| !(1..=MOST_DIMENSIONS).contains(&number)) {
            problems.push(Problem::new(key("dimensions"), format!("must be from 1 to {MOST_DIMENSIONS}")));
        }
        if model.relevant_cosine.is_some_and(|cosine| Calibration::new(cosine).is_none()) {
            problems.push(Problem::new(key("relevant_cosine"), "must be more than 0 and less than 1"));
        }
        for fallback in &model.fallbacks {
            if config.model(fallback).is_none() {
                problems.push(Problem::new(
                    key("fallbacks"),
                    format!("there is no model `{fallback}` to fall back to"),
                ));
            }
        }
        if let Some(circle) = circle(config, model) {
            problems.push(Problem::new(
                key("fallbacks"),
                format!("they lead in a circle: {}", circle.join(" → ")),
            ));
        }
    }
}

/// What is said of a model's binding that there is not. `but` is what may have been meant.
pub fn no_binding(binding: &str, but: &str) -> String {
    format!(
        "there is no binding `{binding}`, nor a plugin of that id{but}: add [bindings.{binding}] with `plugin = \"…\"`"
    )
}

/// Models whose binding is neither configured nor one of these, and the key that names it. What is wrong with one
/// that is configured and could not be read was said already.
pub(super) fn unbound<'a>(config: &'a Config, others: &BTreeSet<String>) -> Vec<(String, &'a Model)> {
    let models = config.models.iter().enumerate();
    let is_written = |name: &str| config.places.is_written(&format!("bindings.{name}"));
    models
        .filter(|(_, Model { binding, .. })| {
            !config.bindings.contains_key(binding) && !others.contains(binding) && !is_written(binding)
        })
        .map(|(at, model)| (config.places.model(at, "binding"), model))
        .collect()
}

/// The shortest way from a model by its fallbacks back to itself. Only the circle's first model in the
/// file reports it.
fn circle<'a>(config: &'a Config, start: &'a Model) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start.id.as_str()]];
    let mut visited = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let model = config.model(way.last()?)?;
            for next in &model.fallbacks {
                let next_way: Vec<&str> = way.iter().copied().chain([next.as_str()]).collect();
                if *next == start.id {
                    let position = |id: &str| config.models.iter().position(|model| model.id == id);
                    let first = next_way.iter().all(|id| position(id) >= position(&start.id));
                    return first.then_some(next_way);
                }
                if config.model(next).is_some() && visited.insert(next.as_str()) {
                    longer.push(next_way);
                }
            }
        }
        ways = longer;
    }
    None
}
