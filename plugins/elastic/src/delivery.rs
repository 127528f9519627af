//! One attempt to deliver one batch: one request, and what its answer says of every event.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Answer, Batch, DeliveryEffect, Event, InTurn, Verdict, pause_ms};
use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::{Effects, Failure, log};

use crate::answer::{Meaning, Reply, reason};
use crate::document;
use crate::settings::Settings;

/// Bytes of a request, before compression. Elasticsearch takes 100 MB (`http.max_content_length`), and advises
/// 5 to 15; a document that is larger by itself is sent all the same.
const MAX_REQUEST: usize = 10_000_000;

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
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Self {
        let Batch { attempt, now, events } = batch;
        Self { events, attempt, now, settings, sent: Vec::new() }
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

    /// What became of each document. Where that cannot be read, all are offered again: those that are there are
    /// found to be.
    fn each(&self, answer: &Answer, out: &mut Out) {
        let items = match answer.body.json::<Reply>() {
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
        let wait = retry_after_ms(&answer.head.headers).unwrap_or_else(|| pause_ms(self.attempt));
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

impl InTurn for Delivery {
    /// A thousand documents, each with a reason.
    const MAX_ANSWER: usize = 8 * 1024 * 1024;

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

    fn answered(&mut self, answer: &Answer, out: &mut Out) {
        let reason = || reason(answer.head.status, &answer.body.text());
        match Meaning::of(answer.head.status) {
            Meaning::Accepted => self.each(answer, out),
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
