//! Exporters: one delivery of a batch of events.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use wasmtime::component::ResourceAny;

use crate::binding::Binding;
use crate::bindings::exporter::exports::hardpoint::plugin::exporter as wit;
use crate::bindings::types::{self, Observation};
use crate::convert;
use crate::driver::{Exchange, Machine, Step, Turn};
use crate::error::Fault;
use crate::generation::Retirement;
use crate::sandbox::{CallContext, Instance, Sandbox};

/// One event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingEvent {
    /// `evt_…`
    pub id: String,
    /// `resource.verb`
    pub kind: String,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    /// The event as a JSON object.
    pub body: String,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The other side has it.
    Delivered,
    /// Offer it again after so long.
    RetryAfter(Duration),
    /// It can never be delivered.
    Dropped(String),
    /// The exporter did not say; offer it again.
    Open,
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryReport {
    /// One for each event, in order.
    pub verdicts: Vec<Verdict>,
    /// Offer the events without a verdict again in two halves.
    pub split: bool,
    /// Why nothing can be delivered until an operator has acted.
    pub parked: Option<String>,
    /// To be kept with the cursor, where the exporter saved anything.
    pub state: Option<Vec<u8>>,
    /// Why it ended too soon; what has a verdict has it all the same.
    pub failure: Option<Failure>,
    /// What the wire says of why events are to be offered again, or the destination is parked: no connection, an
    /// answer that refuses. None where the exporter has reasons of its own.
    pub trouble: Option<Failure>,
}

/// One attempt at a batch.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// 1 for the first.
    pub attempt: u32,
    /// In order.
    pub events: Vec<OutgoingEvent>,
    /// The settings of the binding with the options of this export laid over them, secrets taken out.
    pub settings: serde_json::Value,
    /// What this export may do in the place of the binding's permissions, where its options lead elsewhere.
    pub permissions: Option<Permissions>,
    /// Secrets that came with this export; they take the place of the binding's of the same name.
    pub secrets: Vec<(String, crate::secret::Secret)>,
    /// What was saved last.
    pub state: Option<Vec<u8>>,
}

struct DeliveryMachine(ResourceAny);

impl Binding {
    /// Offers a batch once.
    ///
    /// # Errors
    /// No room, a paused binding, an exporter that refuses the settings, a stopped sandbox. What became of
    /// the events is then unknown: they have to be offered again.
    pub async fn deliver(
        self: &Arc<Self>,
        context: CallContext,
        delivery: Delivery,
    ) -> Result<DeliveryReport, Failure> {
        let secrets = Arc::new(self.secrets.with(delivery.secrets));
        let count = delivery.events.len();
        let now = self.generation.host.services.clock.now();
        let batch = wit::Batch {
            attempt: delivery.attempt,
            now: u64::try_from(now.micros()).unwrap_or(0),
            events: delivery.events.into_iter().map(event).collect(),
        };
        let mut sandbox = self.enter(context.clone(), Arc::clone(&secrets)).await?;
        let settings = delivery.settings.to_string();
        let opened = open(&mut sandbox, &batch, &settings, delivery.state.as_deref()).await;
        match opened {
            Ok(Ok(resource)) => {
                let machine = DeliveryMachine(resource);
                let mut exchange = Exchange::new(sandbox, machine, &context, secrets, Retirement::CallsOver);
                if let Some(permissions) = delivery.permissions {
                    exchange.permit(permissions);
                }
                let report = report(exchange, count).await?;
                self.note_trouble(&report, &context);
                Ok(report)
            }
            Ok(Err(failure)) => {
                self.served(&context.organization);
                Err(self.failed(convert::failure(failure, None), &context))
            }
            Err(fault) => {
                drop(sandbox);
                Err(self.blame(fault, &context))
            }
        }
    }

    /// Counts a delivery that came to its end and did not deliver, by what kept it from that. One that ended too
    /// soon is counted already.
    fn note_trouble(&self, report: &DeliveryReport, context: &CallContext) {
        let Some(message) = report.shortfall().filter(|_| report.failure.is_none()) else { return };
        let kind = report.trouble.as_ref().map_or(FailureKind::Upstream, |trouble| trouble.kind);
        self.failed(Failure::new(kind, message), context);
    }
}

impl DeliveryReport {
    /// What there is to be done still, and why; none where all is delivered or given up.
    fn shortfall(&self) -> Option<String> {
        if self.parked.is_some() {
            return self.parked.clone();
        }
        let waits = |verdict: &&Verdict| matches!(verdict, Verdict::RetryAfter(_));
        let waiting = self.verdicts.iter().filter(waits).count();
        let why = self.trouble.as_ref().map(|trouble| format!(": {}", trouble.message)).unwrap_or_default();
        (waiting > 0).then(|| format!("{waiting} of {} events were not taken{why}", self.verdicts.len()))
    }
}

fn event(event: OutgoingEvent) -> wit::Event {
    wit::Event { id: event.id, kind: event.kind, time: event.time, body: event.body }
}

async fn open(
    sandbox: &mut Sandbox,
    batch: &wit::Batch,
    settings: &str,
    state: Option<&[u8]>,
) -> Result<Result<ResourceAny, types::Failure>, Fault> {
    let (store, instance, stopwatch) = sandbox.parts();
    let exporter = exporter(instance)?.delivery();
    let state = state.map(<[u8]>::to_vec);
    let outcome = stopwatch.run(exporter.call_open(store, batch, settings, state.as_deref())).await;
    sandbox.settle(outcome)
}

fn exporter(instance: &Instance) -> Result<&wit::Guest, Fault> {
    match instance {
        Instance::Exporter(plugin) => Ok(plugin.hardpoint_plugin_exporter()),
        _ => Err(Fault::Host("this plugin is no exporter".into())),
    }
}

/// Reads the exchange to its end and gathers the verdicts.
async fn report(mut exchange: Exchange<DeliveryMachine>, count: usize) -> Result<DeliveryReport, Failure> {
    let mut report = DeliveryReport {
        verdicts: vec![Verdict::Open; count],
        split: false,
        parked: None,
        state: None,
        failure: None,
        trouble: None,
    };
    while let Some(outcome) = exchange.next().await {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => return broken(report, failure),
        };
        match outcome {
            Outcome::Verdict(index, verdict) => match report.verdicts.get_mut(index as usize) {
                Some(place) => *place = verdict,
                None => {
                    let rule = format!("a verdict for event {index} of {count}");
                    return broken(report, exchange.stop(Fault::Protocol(rule)));
                }
            },
            Outcome::Split => report.split = true,
            Outcome::Park(reason) => report.parked = Some(reason),
            Outcome::Save(state) => report.state = Some(state),
        }
    }
    report.trouble = exchange.trouble();
    let silent = report.verdicts.contains(&Verdict::Open);
    if silent && !report.split && report.parked.is_none() {
        let rule = "the delivery ended and an event has no verdict".to_owned();
        return broken(report, exchange.stop(Fault::Protocol(rule)));
    }
    exchange.end();
    Ok(report)
}

/// What was said before it broke down stands: those events must not be offered again, and what was saved
/// may be needed to know what became of the others.
fn broken(report: DeliveryReport, failure: Failure) -> Result<DeliveryReport, Failure> {
    if report.state.is_none() && report.verdicts.iter().all(|verdict| *verdict == Verdict::Open) {
        return Err(failure);
    }
    Ok(DeliveryReport { failure: Some(failure), ..report })
}

enum Outcome {
    Verdict(u32, Verdict),
    Split,
    Park(String),
    Save(Vec<u8>),
}

impl Machine for DeliveryMachine {
    type Output = Outcome;

    async fn advance(&mut self, sandbox: &mut Sandbox, seen: &Observation) -> Result<Turn<Outcome>, Fault> {
        let (store, instance, stopwatch) = sandbox.parts();
        let exporter = exporter(instance)?.delivery();
        let outcome = stopwatch.run(exporter.call_advance(store, self.0, seen)).await;
        let effects = sandbox.settle(outcome)?;
        Ok(effects.map(|effects| effects.into_iter().map(step).collect()))
    }
}

fn step(effect: wit::DeliveryEffect) -> Step<Outcome> {
    match effect {
        wit::DeliveryEffect::Send(request) => Step::Send(request),
        wit::DeliveryEffect::Wait(pause) => Step::Wait(Duration::from_millis(pause)),
        wit::DeliveryEffect::Verdict(given) => {
            Step::Yield(Outcome::Verdict(given.index, verdict(given.verdict)))
        }
        wit::DeliveryEffect::Split => Step::Yield(Outcome::Split),
        wit::DeliveryEffect::Park(reason) => Step::Yield(Outcome::Park(reason)),
        wit::DeliveryEffect::Save(state) => Step::Yield(Outcome::Save(state)),
        wit::DeliveryEffect::Again => Step::Again,
    }
}

fn verdict(verdict: wit::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Delivered => Verdict::Delivered,
        wit::Verdict::RetryAfter(pause) => Verdict::RetryAfter(Duration::from_millis(pause)),
        wit::Verdict::Drop(reason) => Verdict::Dropped(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_is_told_though_it_broke_down() {
        let report = |verdicts| DeliveryReport {
            verdicts,
            split: false,
            parked: None,
            state: None,
            failure: None,
            trouble: None,
        };
        let failure = || Failure::new(FailureKind::Plugin, "an event has no verdict");
        let told = broken(report(vec![Verdict::Delivered, Verdict::Open]), failure()).unwrap();
        assert_eq!((told.verdicts[0].clone(), told.failure.is_some()), (Verdict::Delivered, true));
        assert!(broken(report(vec![Verdict::Open; 2]), failure()).is_err());
        let saved = DeliveryReport { state: Some(vec![1]), ..report(vec![Verdict::Open; 2]) };
        assert_eq!(broken(saved, failure()).unwrap().state, Some(vec![1]));
    }
}
