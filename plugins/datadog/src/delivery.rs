//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Event, Verdict, pause_ms};
use hardpoint_sdk::failure::{TransportFailure, TransportFailureKind, retry_after_ms};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, log};

use crate::answer::{Meaning, reason};
use crate::entry;
use crate::settings::Settings;

/// What the intake takes in one request, before compression.
const MAX_REQUEST: usize = 5_000_000;

/// What it takes as one log; it cuts off the rest and answers as if nothing were.
const MAX_LOG: usize = 1_000_000;

/// What is read of an answer.
const MAX_ANSWER: usize = 16 * 1024;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    events: Vec<Event>,
    attempt: u32,
    now: u64,
    settings: Settings,
    /// Positions of the events that were sent: the others have their verdict.
    sent: Vec<u32>,
    head: Option<ResponseHead>,
    body: Gathered,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Self {
        let Batch { attempt, now, events } = batch;
        Self { events, attempt, now, settings, sent: Vec::new(), head: None, body: Gathered::new(MAX_ANSWER) }
    }

    /// The logs as one JSON array. What can never be sent is dropped on the way.
    fn logs(&mut self, out: &mut Out) -> Vec<u8> {
        let tags = self.settings.tags.join(",");
        let mut logs = Vec::from(*b"[");
        for (index, event) in (0..).zip(&self.events) {
            let before = logs.len();
            if before > 1 {
                logs.push(b',');
            }
            let begin = logs.len();
            if let Err(error) = entry::write(&mut logs, event, &self.settings, &tags, self.now) {
                logs.truncate(before);
                out.drop_event(index, format!("it cannot be written as a log: {error}"));
                continue;
            }
            let size = logs.len() - begin;
            if size + 2 > MAX_REQUEST {
                logs.truncate(before);
                let reason =
                    format!("as a log it has {size} bytes; Datadog takes {MAX_REQUEST} in a request");
                out.drop_event(index, reason);
                continue;
            }
            if size > MAX_LOG {
                let id = &event.id;
                log::warn(&format!("event {id} has {size} bytes as a log; Datadog cuts it at {MAX_LOG}"));
            }
            self.sent.push(index);
        }
        logs.push(b']');
        logs
    }

    fn every(&self, out: &mut Out, verdict: &Verdict) {
        for index in &self.sent {
            out.verdict(*index, verdict.clone());
        }
    }

    /// What an answer means for the events, also where its body broke off: the status has said it.
    fn conclude(&self, head: &ResponseHead, out: &mut Out) {
        let reason = || reason(head.status, &self.body.text());
        match Meaning::of(head.status) {
            Meaning::Accepted => self.every(out, &Verdict::Delivered),
            Meaning::Refused if self.sent.len() > 1 => out.split(),
            Meaning::Refused => self.every(out, &Verdict::Drop(reason())),
            Meaning::Later => {
                log::warn(&reason());
                self.later(out, retry_after_ms(&head.headers));
            }
            Meaning::Operator => out.park(reason()),
        }
    }

    fn later(&self, out: &mut Out, asked: Option<u64>) {
        let wait = asked.unwrap_or_else(|| pause_ms(self.attempt));
        self.every(out, &Verdict::RetryAfter(wait));
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        let logs = self.logs(out);
        match self.sent.len() {
            0 => {}
            // The bound of a batch is on the events; tags and the like are over and above it.
            2.. if logs.len() > MAX_REQUEST => out.split(),
            _ => out.send(self.settings.post(logs)),
        }
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Out) -> Result<(), Failure> {
        self.head = Some(head);
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, _: &mut Out) -> Result<(), Failure> {
        self.body.push_some(&body.bytes);
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Out) -> Result<(), Failure> {
        let head = self.head.take().ok_or_else(|| Failure::protocol("an answer without a head"))?;
        self.conclude(&head, out);
        Ok(())
    }

    fn broken(&mut self, failure: TransportFailure, out: &mut Out) -> Result<(), Failure> {
        match (self.head.take(), failure.kind) {
            (Some(head), _) => self.conclude(&head, out),
            (None, TransportFailureKind::Denied) => out.park(failure.message),
            (None, _) => {
                log::warn(&failure.message);
                self.later(out, None);
            }
        }
        Ok(())
    }
}
