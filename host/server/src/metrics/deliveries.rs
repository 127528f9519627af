//! What is delivered, to webhook endpoints and to standing destinations. This host counts what it does itself; what
//! waits is of all hosts, as the store had it a moment ago.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_store::backlog::Backlog;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::OutcomeLabels;
use crate::service::webhooks::send::Tried;

/// Counters at nought, and nothing that waits before [`show`](Self::show).
#[derive(Default)]
pub struct Deliveries {
    attempts: Family<OutcomeLabels, Counter>,
    rounds_failed: Counter,
    given_up: Counter,
    events: Counter,
    letters: Counter,
    waiting: Waiting,
}

impl Deliveries {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Attempts to deliver to webhook endpoints, by what came of them";
        registry.register("webhook_attempts", help, self.attempts.clone());
        let help = "Times that what became of webhooks could not be written down, or no more be claimed; it is tried again";
        registry.register("webhook_rounds_failed", help, self.rounds_failed.clone());
        let help = "Deliveries to webhook endpoints that were given up";
        registry.register("webhook_dead_letters", help, self.given_up.clone());
        let help = "Events that standing destinations took";
        registry.register("siem_events", help, self.events.clone());
        let help = "Events that standing destinations did not take";
        registry.register("siem_dead_letters", help, self.letters.clone());
        registry.register_collector(Box::new(self.waiting.clone()));
    }

    /// Counts an attempt at a webhook.
    pub fn webhook(&self, tried: &Tried) {
        let outcome = match tried.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Gone => "gone",
            Outcome::Failed if tried.is_refused => "refused",
            Outcome::Failed => "failed",
        };
        self.attempts.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a round of webhooks that the store did not take.
    pub fn round_failed(&self) {
        self.rounds_failed.inc();
    }

    /// Counts webhooks that were given up.
    pub fn webhooks_given_up(&self, deliveries: u64) {
        self.given_up.inc_by(deliveries);
    }

    /// Counts events that a standing destination took, and those that it did not.
    pub fn siem(&self, delivered: u64, dead_letters: u64) {
        self.events.inc_by(delivered);
        self.letters.inc_by(dead_letters);
    }

    /// Shows what waits at this moment; nothing where that is not known.
    pub fn show(&self, backlog: Option<Backlog>, now: Timestamp) {
        *self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner) = backlog.map(|all| (all, now));
    }
}

/// What waits, and when it did.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<Option<(Backlog, Timestamp)>>>);

impl Collector for Waiting {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((backlog, at)) = known else { return Ok(()) };
        let help = "Deliveries to webhook endpoints that are to be made, at most 100000; of all hosts";
        let pending = encoder.encode_descriptor("webhook_pending", help, None, MetricType::Gauge)?;
        ConstGauge::new(backlog.pending).encode(pending)?;
        let help = "How long the first webhook is overdue that nothing but the hosts holds up";
        let unit = Some(&Unit::Seconds);
        let lag = encoder.encode_descriptor("webhook_lag", help, unit, MetricType::Gauge)?;
        let overdue = backlog.overdue_since.map_or(Duration::ZERO, |since| at.since(since));
        ConstGauge::new(overdue.as_secs_f64()).encode(lag)?;
        for (name, help, counts) in [
            (
                "webhook_endpoints",
                "Endpoints that are active, failing (the breaker is open), disabled",
                backlog.endpoints,
            ),
            (
                "siem_destinations",
                "Standing destinations that are active, failing, paused, parked",
                backlog.destinations,
            ),
        ] {
            let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (state, count) in &counts {
                let labels = [("state", state.as_str())];
                ConstGauge::new(*count).encode(gauge.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
