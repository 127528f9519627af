//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Answer, Batch, DeliveryEffect, InTurn, Verdict, pause_ms};
use hardpoint_sdk::failure::{header, retry_after_ms_at};
use hardpoint_sdk::{Effects, Failure, log};

use crate::answer::{Meaning, Partial, reason};
use crate::record::record;
use crate::settings::{PartialSuccess, Settings};

/// The size that the protocol recommends as the most of a body, before compression, to both sides.
const MAX_REQUEST: usize = 20 << 20;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    batch: Batch,
    settings: Settings,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(Self { batch, settings })
    }

    fn every(&self, out: &mut Out, verdict: &Verdict) {
        for (index, _) in (0..).zip(&self.batch.events) {
            out.verdict(index, verdict.clone());
        }
    }

    /// A partial success names no records, and must not be followed by the same request.
    fn accepted(&self, answer: &Answer, out: &mut Out) {
        let count = self.batch.events.len() as u64;
        let Partial { rejected, message } = Partial::read(answer.body.bytes(), self.settings.encoding);
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
        let wait = asked.unwrap_or_else(|| pause_ms(self.batch.attempt));
        self.every(out, &Verdict::RetryAfter(wait));
    }
}

impl InTurn for Delivery {
    const MAX_ANSWER: usize = 64 * 1024;

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

    fn answered(&mut self, answer: &Answer, out: &mut Out) {
        let content_type = header(&answer.head.headers, "content-type").unwrap_or_default();
        let reason = || reason(answer.head.status, content_type, answer.body.bytes());
        match Meaning::of(answer.head.status) {
            Meaning::Accepted => self.accepted(answer, out),
            Meaning::Refused if self.batch.events.len() > 1 => out.split(),
            Meaning::Refused => self.every(out, &Verdict::Drop(reason())),
            Meaning::Later => {
                log::warn(&reason());
                self.later(out, retry_after_ms_at(&answer.head.headers, self.batch.now));
            }
            Meaning::Operator => out.park(reason()),
        }
    }

    fn unanswered(&mut self, reason: String, out: &mut Out) {
        log::warn(&reason);
        self.later(out, None);
    }
}
