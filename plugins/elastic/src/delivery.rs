//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Event, Verdict, pause_ms};
use hardpoint_sdk::failure::{TransportFailure, TransportFailureKind, retry_after_ms};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, log};

use crate::answer::{Meaning, Reply, reason};
use crate::document;
use crate::settings::Settings;

/// Bytes of a request, before compression. Elasticsearch takes 100 MB (`http.max_content_length`), and advises
/// 5 to 15; a document that is larger by itself is sent all the same.
const MAX_REQUEST: usize = 10_000_000;

/// What is read of an answer: a thousand documents, each with a reason.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    events: Vec<Event>,
    attempt: u32,
    now: u64,
    settings: Settings,
    /// Positions of the events that were sent, in the order of the request: the others have their verdict.
    sent: Vec<u32>,
    head: Option<ResponseHead>,
    body: Gathered,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Self {
        let Batch { attempt, now, events } = batch;
        Self { events, attempt, now, settings, sent: Vec::new(), head: None, body: Gathered::new(MAX_ANSWER) }
    }

    fn lines(&mut self, out: &mut Out) -> Vec<u8> {
        let mut lines = Vec::new();
        for (index, event) in (0..).zip(&self.events) {
            let before = lines.len();
            match document::write(&mut lines, event, &self.settings, self.now) {
                Ok(()) => self.sent.push(index),
                Err(error) => {
                    lines.truncate(before);
                    out.drop_event(index, format!("it cannot be written as a document: {error}"));
                }
            }
        }
        lines
    }

    fn every(&self, out: &mut Out, verdict: &Verdict) {
        for index in &self.sent {
            out.verdict(*index, verdict.clone());
        }
    }

    fn later(&self, out: &mut Out, asked: Option<u64>) {
        self.every(out, &Verdict::RetryAfter(asked.unwrap_or_else(|| pause_ms(self.attempt))));
    }

    fn conclude(&self, head: &ResponseHead, out: &mut Out) {
        let reason = || reason(head.status, &self.body.text());
        match Meaning::of(head.status) {
            Meaning::Accepted => self.each(head, out),
            Meaning::Refused if self.sent.len() > 1 => out.split(),
            Meaning::Refused => self.every(out, &Verdict::Drop(reason())),
            Meaning::Later => {
                log::warn(&reason());
                self.later(out, retry_after_ms(&head.headers));
            }
            Meaning::Operator => out.park(reason()),
        }
    }

    /// What became of each document. Where that cannot be read, all are offered again: those that are there are
    /// found to be.
    fn each(&self, head: &ResponseHead, out: &mut Out) {
        let items = match self.body.json::<Reply>() {
            Ok(reply) if reply.items.len() == self.sent.len() => reply.items,
            Ok(reply) => {
                let (told, sent) = (reply.items.len(), self.sent.len());
                log::warn(&format!("Elasticsearch told of {told} documents where {sent} were sent"));
                return self.later(out, None);
            }
            Err(error) => {
                log::warn(&format!("Elasticsearch's answer cannot be read: {}", error.message));
                return self.later(out, None);
            }
        };
        let wait = retry_after_ms(&head.headers).unwrap_or_else(|| pause_ms(self.attempt));
        let (mut aside, mut later, mut parked) = (0, None, None);
        for (index, line) in self.sent.iter().zip(items) {
            let item = line.create;
            match item.meaning() {
                Meaning::Accepted => {
                    aside += u32::from(item.is_put_aside());
                    out.delivered(*index);
                }
                Meaning::Refused => out.drop_event(*index, item.reason()),
                Meaning::Later => {
                    later.get_or_insert_with(|| item.reason());
                    out.verdict(*index, Verdict::RetryAfter(wait));
                }
                Meaning::Operator => {
                    parked.get_or_insert_with(|| item.reason());
                }
            }
        }
        if aside > 0 {
            log::warn(&format!("{aside} documents do not fit the data stream and are in its failure store"));
        }
        if let Some(reason) = later {
            log::warn(&reason);
        }
        if let Some(reason) = parked {
            out.park(reason);
        }
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        let lines = self.lines(out);
        match self.sent.len() {
            0 => {}
            // The bound of a batch is on the events; a document is more.
            2.. if lines.len() > MAX_REQUEST => out.split(),
            _ => out.send(self.settings.bulk(lines)),
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
            // Of an answer that broke off the status has said it, unless that is that there is more to read.
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
