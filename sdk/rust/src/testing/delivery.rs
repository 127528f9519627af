use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::Value;

use super::answer::{Answer, Cut};
use super::drive::{Step, drive, every_way};
use super::sent::Sent;
use crate::exporter::{Batch, DeliveryEffect, Exporter, Verdict};
use crate::failure::Failure;
use crate::settings;

/// A delivery to be driven. Settings are JSON, as the host gives them: the binding's and the export's.
pub fn delivery<E: Exporter>(batch: Batch, settings: Value) -> Delivery<E> {
    Delivery { batch, settings: settings.to_string(), state: None, script: Vec::new(), exporter: PhantomData }
}

/// See [`delivery`].
#[derive(Debug)]
pub struct Delivery<E> {
    batch: Batch,
    settings: String,
    state: Option<Vec<u8>>,
    script: Vec<Answer>,
    exporter: PhantomData<E>,
}

/// What came of a delivery.
#[derive(Debug, Default, PartialEq)]
pub struct Delivered {
    /// Requests, in order.
    pub sent: Vec<Sent>,
    /// Verdicts by position in the batch.
    pub verdicts: BTreeMap<u32, Verdict>,
    /// Whether what has no verdict is to be offered again in two halves.
    pub is_split: bool,
    /// Why the destination was parked.
    pub parked: Option<String>,
    /// What was saved last.
    pub saved: Option<Vec<u8>>,
    /// How long it asked to wait, in milliseconds.
    pub waits: Vec<u64>,
    /// The failure of the whole batch.
    pub failure: Option<Failure>,
}

impl<E: Exporter> Delivery<E> {
    /// With what an earlier delivery saved.
    pub fn state(mut self, state: impl Into<Vec<u8>>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Adds the answer to the next request.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.script.push(answer);
        self
    }

    /// Runs it once, with the answers cut as the script has them.
    pub fn run(&self) -> Delivered {
        self.run_cut(Cut::AsGiven)
    }

    /// Runs it with the answers cut every way, and requires the same outcome.
    pub fn every_way(&self) -> Delivered {
        every_way(&self.script, |cut| self.run_cut(cut))
    }

    fn run_cut(&self, cut: Cut) -> Delivered {
        let events = self.batch.events.len();
        let mut done = Delivered::default();
        let mut sent = Vec::new();
        let machine = settings::parse(&self.settings)
            .and_then(|settings| E::deliver(self.batch.clone(), settings, self.state.clone()));
        let result = machine.and_then(|machine| {
            drive(machine, &self.script, cut, &mut sent, |effect| done.take(effect, events))
        });
        done.sent = sent;
        done.failure = result.err();
        let open = events - done.verdicts.len();
        if done.is_split {
            assert!(open >= 2, "{open} events without a verdict cannot be split");
        } else if done.failure.is_none() && done.parked.is_none() {
            assert!(open == 0, "{open} events have no verdict");
        }
        done
    }
}

impl Delivered {
    /// Whether every event of a batch this large was delivered.
    pub fn all_delivered(&self, events: usize) -> bool {
        self.failure.is_none()
            && self.verdicts.len() == events
            && self.verdicts.values().all(|verdict| matches!(verdict, Verdict::Delivered))
    }

    fn take(&mut self, effect: DeliveryEffect, events: usize) -> Step {
        match effect {
            DeliveryEffect::Send(request) => return Step::Send(request),
            DeliveryEffect::Again => return Step::Resume,
            DeliveryEffect::Wait(milliseconds) => {
                self.waits.push(milliseconds);
                return Step::Wait;
            }
            DeliveryEffect::Verdict(given) => {
                assert!((given.index as usize) < events, "there is no event {}", given.index);
                let earlier = self.verdicts.insert(given.index, given.verdict);
                assert!(earlier.is_none(), "event {} has two verdicts", given.index);
            }
            DeliveryEffect::Split => self.is_split = true,
            DeliveryEffect::Park(reason) => self.parked = Some(reason),
            DeliveryEffect::Save(state) => self.saved = Some(state),
        }
        Step::Done
    }
}
