//! One attempt to deliver one batch: as many requests as it takes, one after the other, so that events arrive in
//! their order.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use hardpoint_sdk::exporter::{Answer, Batch, DeliveryEffect, InTurn, Verdict, pause_ms};
use hardpoint_sdk::failure::retry_after_ms_at;
use hardpoint_sdk::{Effects, Failure, log};

use crate::body::Layout;
use crate::entry;
use crate::settings::{Settings, Shape};
use crate::status::{Meaning, Meanings, reason};

/// What the manifest asks for in `limits.http_calls`: one more would end the delivery without verdicts.
const MAX_REQUESTS: u32 = 100;

type Out = Effects<DeliveryEffect>;

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    batch: Batch,
    settings: Settings,
    layout: Layout,
    meanings: Meanings,
    /// Events by their position in the batch, as they are sent.
    entries: Vec<(u32, Vec<u8>)>,
    /// Requests still to be made: positions in `entries`, in order. The first is under way.
    requests: VecDeque<Range<usize>>,
    sent: u32,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(Self {
            batch,
            layout: Layout::of(&settings)?,
            meanings: Meanings::of(&settings)?,
            settings,
            entries: Vec::new(),
            requests: VecDeque::new(),
            sent: 0,
        })
    }

    /// Writes the events, and cuts them into requests within the settings' limits. What can never be sent is
    /// dropped on the way.
    fn prepare(&mut self, out: &mut Out) {
        let room = self.settings.max_bytes.saturating_sub(self.layout.around());
        let most = if self.settings.shape == Shape::Event { 1 } else { self.settings.max_events.max(1) };
        let (mut begin, mut used) = (0, 0);
        for (index, event) in (0..).zip(&self.batch.events) {
            let entry = match entry::write(event, &self.settings) {
                Ok(entry) => entry,
                Err(error) => {
                    out.drop_event(index, format!("it cannot be written: {error}"));
                    continue;
                }
            };
            let size = self.layout.size(&entry);
            if size > room {
                let reason = format!("it takes {size} bytes of a body; max_bytes leaves {room} for events");
                out.drop_event(index, reason);
                continue;
            }
            let at = self.entries.len();
            if at - begin == most || used + size > room {
                self.requests.push_back(begin..at);
                (begin, used) = (at, 0);
            }
            used += size;
            self.entries.push((index, entry));
        }
        if begin < self.entries.len() {
            self.requests.push_back(begin..self.entries.len());
        }
    }

    /// Sends the next request. Where there are more than one delivery may make, the host offers the rest again,
    /// in halves that become small enough.
    fn send_next(&mut self, out: &mut Out) {
        let Some(next) = self.requests.front() else { return };
        if self.sent == MAX_REQUESTS || (self.sent == MAX_REQUESTS - 1 && self.requests.len() > 1) {
            return out.split();
        }
        self.sent += 1;
        let entries = self.entries.get(next.clone()).unwrap_or_default();
        let body = self.layout.body(entries.iter().map(|(_, entry)| entry.as_slice()));
        out.send(self.settings.request(body));
    }

    /// The request that was under way is over: this is the verdict on its events.
    fn settle(&mut self, verdict: &Verdict, out: &mut Out) {
        let Some(request) = self.requests.pop_front() else { return };
        for (index, _) in self.entries.get(request).unwrap_or_default() {
            out.verdict(*index, verdict.clone());
        }
    }

    /// Nothing more is sent now: what came later must not arrive earlier.
    fn later(&mut self, reason: String, asked: Option<u64>, out: &mut Out) {
        log::warn(&reason);
        let wait = asked.unwrap_or_else(|| pause_ms(self.batch.attempt));
        while !self.requests.is_empty() {
            self.settle(&Verdict::RetryAfter(wait), out);
        }
    }
}

impl InTurn for Delivery {
    const MAX_ANSWER: usize = 16 * 1024;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.prepare(out);
        self.send_next(out);
        Ok(())
    }

    fn answered(&mut self, answer: &Answer, out: &mut Out) {
        let meaning = self.meanings.meaning(answer.head.status);
        let reason = || reason(answer.head.status, &answer.body.text());
        match meaning {
            Meaning::Delivered => self.settle(&Verdict::Delivered, out),
            Meaning::Drop => self.settle(&Verdict::Drop(reason()), out),
            Meaning::Split => match self.requests.front().cloned() {
                Some(request) if request.len() > 1 => {
                    let middle = request.start + request.len() / 2;
                    self.requests.pop_front();
                    self.requests.push_front(middle..request.end);
                    self.requests.push_front(request.start..middle);
                }
                _ => self.settle(&Verdict::Drop(reason()), out),
            },
            Meaning::Retry => {
                return self.later(reason(), retry_after_ms_at(&answer.head.headers, self.batch.now), out);
            }
            Meaning::Park => return out.park(reason()),
        }
        self.send_next(out);
    }

    fn unanswered(&mut self, reason: String, out: &mut Out) {
        self.later(reason, None, out);
    }
}
