//! One attempt to deliver one batch: one request an event, a few of them at once, in order.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Event, Verdict, pause_ms};
use hardpoint_sdk::failure::{TransportFailure, TransportFailureKind, retry_after_ms};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, log};

use crate::alert::Alert;
use crate::answer::{Meaning, reason};
use crate::settings::Settings;

/// Requests under way at once. PagerDuty takes about 120 a minute for a key: more would only be refused sooner.
const MAX_UNDER_WAY: usize = 4;

/// What is read of an answer.
const MAX_ANSWER: usize = 16 * 1024;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    events: Vec<Event>,
    attempt: u32,
    settings: Settings,
    /// The position of the event to send next.
    next: u32,
    /// The alert of that one, where it has to wait for its turn.
    waiting: Option<Alert>,
    /// By the position of the event, which is the request's number too.
    under_way: BTreeMap<u32, Flight>,
    is_parked: bool,
}

#[derive(Debug)]
struct Flight {
    dedup_key: String,
    head: Option<ResponseHead>,
    body: Gathered,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Self {
        let Batch { attempt, events, .. } = batch;
        let under_way = BTreeMap::new();
        Self { events, attempt, settings, next: 0, waiting: None, under_way, is_parked: false }
    }

    /// Sends as many as may be under way. What is about the same alert goes one after the other, since a
    /// resolution must not overtake its trigger.
    fn fill(&mut self, out: &mut Out) {
        while !self.is_parked && self.under_way.len() < MAX_UNDER_WAY {
            let Some(alert) = self.alert(out) else { return };
            if self.under_way.values().any(|flight| flight.dedup_key == alert.dedup_key) {
                self.waiting = Some(alert);
                return;
            }
            out.send(self.settings.post(&alert.json).exchange(self.next));
            let flight = Flight { dedup_key: alert.dedup_key, head: None, body: Gathered::new(MAX_ANSWER) };
            self.under_way.insert(self.next, flight);
            self.next += 1;
        }
    }

    /// The next event's alert; none after the last. What can never be sent is dropped on the way.
    fn alert(&mut self, out: &mut Out) -> Option<Alert> {
        if let Some(alert) = self.waiting.take() {
            return Some(alert);
        }
        loop {
            let event = self.events.get(self.next as usize)?;
            match Alert::of(event, &self.settings) {
                Ok(alert) => {
                    if alert.is_truncated {
                        log::warn(&format!("event {} is larger than an alert may be and was cut", event.id));
                    }
                    return Some(alert);
                }
                Err(error) => {
                    out.drop_event(self.next, format!("it cannot be written as an alert: {error}"));
                    self.next += 1;
                }
            }
        }
    }

    /// What an answer means for its event, also where its body broke off: the status has said it.
    fn conclude(&mut self, index: u32, head: &ResponseHead, body: &Gathered, out: &mut Out) {
        let reason = || reason(head.status, &body.text());
        match Meaning::of(head.status, &body.text()) {
            Meaning::Accepted => out.delivered(index),
            Meaning::Refused => out.drop_event(index, reason()),
            Meaning::Later => {
                log::warn(&reason());
                self.later(index, retry_after_ms(&head.headers), out);
            }
            Meaning::Operator => self.park(reason(), out),
        }
    }

    /// This event later, and those that were not sent after it: they would fare no better, and are to stay in
    /// order.
    fn later(&mut self, index: u32, asked: Option<u64>, out: &mut Out) {
        let wait = Verdict::RetryAfter(asked.unwrap_or_else(|| pause_ms(self.attempt)));
        out.verdict(index, wait.clone());
        if self.is_parked {
            return;
        }
        let count = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        for unsent in self.next..count {
            out.verdict(unsent, wait.clone());
        }
        (self.next, self.waiting) = (count, None);
    }

    fn park(&mut self, reason: String, out: &mut Out) {
        if !self.is_parked {
            self.is_parked = true;
            out.park(reason);
        }
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.fill(out);
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Out) -> Result<(), Failure> {
        if let Some(flight) = self.under_way.get_mut(&head.exchange) {
            flight.head = Some(head);
        }
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, _: &mut Out) -> Result<(), Failure> {
        if let Some(flight) = self.under_way.get_mut(&body.exchange) {
            flight.body.push_some(&body.bytes);
        }
        Ok(())
    }

    fn ended(&mut self, exchange: u32, out: &mut Out) -> Result<(), Failure> {
        let flight = self.under_way.remove(&exchange);
        if let Some(Flight { head: Some(head), body, .. }) = flight {
            self.conclude(exchange, &head, &body, out);
        }
        self.fill(out);
        Ok(())
    }

    fn broken(&mut self, failure: TransportFailure, out: &mut Out) -> Result<(), Failure> {
        let index = failure.exchange;
        match (self.under_way.remove(&index), failure.kind) {
            (Some(Flight { head: Some(head), body, .. }), _) => self.conclude(index, &head, &body, out),
            (_, TransportFailureKind::Denied) => self.park(failure.message, out),
            (Some(_), _) => {
                log::warn(&failure.message);
                self.later(index, None, out);
            }
            (None, _) => {}
        }
        self.fill(out);
        Ok(())
    }
}
