//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Verdict};
use hardpoint_sdk::failure::{TransportFailure, TransportFailureKind, header, retry_after_ms_at};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, log};

use crate::answer::{Meaning, Partial, reason};
use crate::record::record;
use crate::settings::{PartialSuccess, Settings};

/// The size that the protocol recommends as the most of a body, before compression, to both sides.
const MAX_REQUEST: usize = 20 << 20;

/// What is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The first wait where the answer names none, doubled with each attempt.
const FIRST_WAIT_MS: u64 = 5_000;
const LONGEST_WAIT_MS: u64 = 300_000;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    batch: Batch,
    settings: Settings,
    head: Option<ResponseHead>,
    body: Gathered,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(Self { batch, settings, head: None, body: Gathered::new(MAX_ANSWER) })
    }

    fn every(&self, out: &mut Out, verdict: &Verdict) {
        for (index, _) in (0..).zip(&self.batch.events) {
            out.verdict(index, verdict.clone());
        }
    }

    /// What an answer means for the events, also where its body broke off: the status has said it.
    fn conclude(&self, head: &ResponseHead, out: &mut Out) {
        let content_type = header(&head.headers, "content-type").unwrap_or_default();
        let reason = || reason(head.status, content_type, self.body.bytes());
        match Meaning::of(head.status) {
            Meaning::Accepted => self.accepted(out),
            Meaning::Refused if self.batch.events.len() > 1 => out.split(),
            Meaning::Refused => self.every(out, &Verdict::Drop(reason())),
            Meaning::Later => {
                log::warn(&reason());
                self.later(out, retry_after_ms_at(&head.headers, self.batch.now));
            }
            Meaning::Operator => out.park(reason()),
        }
    }

    /// A partial success names no records, and must not be followed by the same request.
    fn accepted(&self, out: &mut Out) {
        let count = self.batch.events.len() as u64;
        let Partial { rejected, message } = Partial::read(self.body.bytes(), self.settings.encoding);
        if rejected == 0 {
            if !message.is_empty() {
                log::warn(&format!("the collector took all records and says: {message}"));
            }
            return self.every(out, &Verdict::Delivered);
        }
        let said = if message.is_empty() { "it does not say why" } else { message.as_str() };
        if rejected >= count {
            return self.every(out, &Verdict::Drop(format!("the collector rejected it: {said}")));
        }
        let reason = format!(
            "the collector rejected {rejected} of the request's {count} records, not saying which: {said}"
        );
        log::warn(&reason);
        match self.settings.partial_success {
            PartialSuccess::Delivered => self.every(out, &Verdict::Delivered),
            PartialSuccess::Rejected => self.every(out, &Verdict::Drop(reason)),
        }
    }

    fn later(&self, out: &mut Out, asked: Option<u64>) {
        let doublings = self.batch.attempt.saturating_sub(1).min(16);
        let wait = asked.unwrap_or((FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS));
        self.every(out, &Verdict::RetryAfter(wait));
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        let records: Vec<_> =
            self.batch.events.iter().map(|event| record(event, &self.settings, self.batch.now)).collect();
        if records.is_empty() {
            return Ok(());
        }
        let body = self.settings.write(records)?;
        match self.batch.events.len() {
            _ if body.len() <= MAX_REQUEST => out.send(self.settings.request(body)),
            2.. => out.split(),
            _ => {
                let size = body.len();
                let reason =
                    format!("as a record it makes a request of {size} bytes; OTLP allows {MAX_REQUEST}");
                out.drop_event(0, reason);
            }
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
