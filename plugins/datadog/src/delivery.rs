//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Answer, Batch, DeliveryEffect, Event, InTurn, Verdict, pause_ms};
use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::{Effects, Failure, log};

use crate::answer::{Meaning, reason};
use crate::entry;
use crate::settings::Settings;

/// What the intake takes in one request, before compression.
const MAX_REQUEST: usize = 5_000_000;

/// What it takes as one log; it cuts off the rest and answers as if nothing were.
const MAX_LOG: usize = 1_000_000;

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
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Self {
        let Batch { attempt, now, events } = batch;
        Self { events, attempt, now, settings, sent: Vec::new() }
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

    fn later(&self, out: &mut Out, asked: Option<u64>) {
        let wait = asked.unwrap_or_else(|| pause_ms(self.attempt));
        self.every(out, &Verdict::RetryAfter(wait));
    }
}

impl InTurn for Delivery {
    const MAX_ANSWER: usize = 16 * 1024;

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

    fn answered(&mut self, answer: &Answer, out: &mut Out) {
        let reason = || reason(answer.head.status, &answer.body.text());
        match Meaning::of(answer.head.status) {
            Meaning::Accepted => self.every(out, &Verdict::Delivered),
            Meaning::Refused if self.sent.len() > 1 => out.split(),
            Meaning::Refused => self.every(out, &Verdict::Drop(reason())),
            Meaning::Later => {
                log::warn(&reason());
                self.later(out, retry_after_ms(&answer.head.headers));
            }
            Meaning::Operator => out.park(reason()),
        }
    }

    fn unanswered(&mut self, reason: String, out: &mut Out) {
        log::warn(&reason);
        self.later(out, None);
    }
}
