//! What `/metrics` shows, in the OpenMetrics text format.
//!
//! Requests are counted as they end; plugins are read from the runtime's own counters when somebody
//! asks, so they cost a call nothing here.

pub mod deliveries;

use std::fmt;
use std::time::Duration;

use hardpoint_runtime::Runtime;
use hardpoint_runtime::egress::OriginStats;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::deliveries::Deliveries;
use crate::call::Facts;

/// The media type of [`Metrics::render`]'s text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a millisecond to two minutes.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// The server's counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    tokens: Family<TokenLabels, Counter>,
    reloads: Family<OutcomeLabels, Counter>,
    broken_audit_log: Gauge,
    /// What is delivered, and what waits for that.
    pub deliveries: Deliveries,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Metrics {
    /// Counters at nought, and a view on the runtime's.
    pub fn new(runtime: Runtime) -> Self {
        let mut registry = Registry::with_prefix("hardpoint");
        let requests = Family::<RequestLabels, Counter>::default();
        let durations = Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let tokens = Family::<TokenLabels, Counter>::default();
        let reloads = Family::<OutcomeLabels, Counter>::default();
        registry.register("requests", "Answered requests", requests.clone());
        let help = "From a request's arrival to its answer's last byte";
        registry.register_with_unit("request_duration", help, Unit::Seconds, durations.clone());
        registry.register("tokens", "Tokens as the models' providers count them", tokens.clone());
        registry.register(
            "plugin_loads",
            "Components that were tried, by what became of them",
            reloads.clone(),
        );
        let broken_audit_log = Gauge::default();
        let help =
            "1 where the audit log does not go on from what this host signed, and is not signed any more";
        registry.register("audit_log_broken", help, broken_audit_log.clone());
        let deliveries = Deliveries::default();
        deliveries.register(&mut registry);
        registry.register_collector(Box::new(Outbound(runtime.clone())));
        registry.register_collector(Box::new(Plugins(runtime)));
        registry.register_collector(Box::new(Process));
        Self { registry, requests, durations, tokens, reloads, broken_audit_log, deliveries }
    }

    /// Counts a request that ended. Paths that match no route share one label: strangers choose them.
    pub fn request(&self, facts: &Facts, elapsed: Duration) {
        let route = if facts.route.is_empty() { "(none)" } else { &facts.route };
        let labels = RequestLabels {
            method: known_method(&facts.method),
            route: route.to_owned(),
            status: facts.status,
        };
        self.requests.get_or_create(&labels).inc();
        let RequestLabels { route, .. } = labels;
        self.durations.get_or_create(&RouteLabels { route }).observe(elapsed.as_secs_f64());
        if let Some(model) = &facts.model {
            for (direction, count) in
                [("input", facts.usage.input_tokens), ("output", facts.usage.output_tokens)]
            {
                self.tokens.get_or_create(&TokenLabels { model: model.clone(), direction }).inc_by(count);
            }
        }
    }

    /// Counts a component that was tried.
    pub fn plugin_load(&self, outcome: &'static str) {
        self.reloads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Whether the audit log is not what this host signed.
    pub fn audit_log_is_broken(&self, is_broken: bool) {
        self.broken_audit_log.set(is_broken.into());
    }

    /// The text for a scraper.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Clients may invent methods.
fn known_method(method: &str) -> String {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    if known.contains(&method) { method.to_owned() } else { "(other)".to_owned() }
}

/// The runtime's counters, read when asked for.
struct Plugins(Runtime);

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plugins")
    }
}

impl Collector for Plugins {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let catalogue = self.0.snapshot();
        let draining = self.0.draining();
        let stats: Vec<_> = catalogue
            .plugins()
            .map(|plugin| (plugin.manifest().id.clone(), plugin.shared().stats.snapshot()))
            .collect();

        let mut calls =
            encoder.encode_descriptor("plugin_calls", "Sandboxes that ran", None, MetricType::Counter)?;
        for (id, stats) in &stats {
            let faults: u64 = stats.faults.values().sum();
            let good = ("ok", stats.calls.saturating_sub(faults));
            for (outcome, count) in
                stats.faults.iter().map(|(cause, count)| (cause.as_str(), *count)).chain([good])
            {
                let labels = [("plugin", id.as_str()), ("outcome", outcome)];
                ConstCounter::new(count).encode(calls.encode_family(&labels)?)?;
            }
        }
        let help = "CPU time of guest code";
        let mut cpu =
            encoder.encode_descriptor("plugin_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
        for (id, stats) in &stats {
            ConstCounter::new(stats.cpu_micros as f64 / 1e6)
                .encode(cpu.encode_family(&[("plugin", id.as_str())])?)?;
        }
        let help = "The most linear memory that one sandbox held";
        let mut memory =
            encoder.encode_descriptor("plugin_memory_peak", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        for (id, stats) in &stats {
            let peak = i64::try_from(stats.memory_peak).unwrap_or(i64::MAX);
            ConstGauge::new(peak).encode(memory.encode_family(&[("plugin", id.as_str())])?)?;
        }
        let help = "Versions of plugins that exist";
        let mut generations =
            encoder.encode_descriptor("plugin_generations", help, None, MetricType::Gauge)?;
        let serving = catalogue.plugins().count();
        for (state, count) in [("serving", serving), ("draining", draining.len())] {
            ConstGauge::new(count as i64).encode(generations.encode_family(&[("state", state)])?)?;
        }
        let help = "Sandboxes that exist now";
        let mut live = encoder.encode_descriptor("sandboxes", help, None, MetricType::Gauge)?;
        let of_serving: u32 = catalogue.plugins().map(|generation| generation.live()).sum();
        let of_draining: u32 = draining.iter().map(|generation| generation.live()).sum();
        for (state, count) in [("serving", of_serving), ("draining", of_draining)] {
            ConstGauge::new(i64::from(count)).encode(live.encode_family(&[("state", state)])?)?;
        }
        Ok(())
    }
}

/// Name, help, unit, and where the value is.
type Column = (&'static str, &'static str, Option<&'static Unit>, fn(&OriginStats) -> u64);

/// What plugins sent, by where to. Origins are what operators granted, so they are few.
struct Outbound(Runtime);

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}

impl Collector for Outbound {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.egress().stats();
        let help = "Requests of plugins that were refused before anything left the host";
        let refusals = encoder.encode_descriptor("egress_refusals", help, None, MetricType::Counter)?;
        ConstCounter::new(stats.refusals).encode(refusals)?;
        let columns: [Column; 5] = [
            ("egress_requests", "Requests of plugins that were permitted", None, |origin| origin.requests),
            ("egress_failures", "Requests without an answer, and answers without an end", None, |origin| {
                origin.failures
            }),
            ("egress_connections", "Connections that were opened", None, |origin| origin.connections),
            ("egress_sent", "Bodies sent", Some(&Unit::Bytes), |origin| origin.bytes_sent),
            ("egress_received", "Bodies received", Some(&Unit::Bytes), |origin| origin.bytes_received),
        ];
        for (name, help, unit, value) in columns {
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            for origin in &stats.origins {
                let labels = [("origin", origin.origin.as_str())];
                ConstCounter::new(value(origin)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Connections that wait for a request";
        let mut idle = encoder.encode_descriptor("egress_idle_connections", help, None, MetricType::Gauge)?;
        for origin in &stats.origins {
            ConstGauge::new(origin.idle as i64)
                .encode(idle.encode_family(&[("origin", origin.origin.as_str())])?)?;
        }
        Ok(())
    }
}

/// This process, as `/proc` shows it.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(resident) = resident_bytes() else { return Ok(()) };
        let help = "Memory of this process that is in RAM";
        let metric =
            encoder.encode_descriptor("resident_memory", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        ConstGauge::new(resident).encode(metric)
    }
}

/// `VmRSS` of `/proc/self/status`, in bytes; none where there is no such file.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<i64>().ok()? * 1024)
}
