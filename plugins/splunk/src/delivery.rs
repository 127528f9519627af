//! One attempt to deliver one batch: what is still open from before is asked for first, what was never sent
//! is sent, and what was sent is waited for.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Event, Verdict, pause_ms};
use hardpoint_sdk::failure::{TransportFailure, TransportFailureKind, retry_after_ms};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, Request, log};

use crate::acks::{Acks, Known};
use crate::answer::{Meaning, Reply};
use crate::envelope;
use crate::settings::{Acknowledgement, Settings};
use crate::state::State;

/// What Splunk Cloud asks not to be exceeded in one request, in bytes before compression. Splunk Enterprise takes
/// more (`max_content_length`), so an event that is larger by itself is sent all the same.
const MAX_REQUEST: usize = 1_000_000;

/// What is read of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// How often events that were refused by their number are left out and the rest is sent again.
const MAX_REFUSALS: u32 = 20;

/// Pauses before asking for acknowledgements, in milliseconds; indexing takes seconds.
const PAUSES: [u64; 5] = [1_000, 1_000, 2_000, 2_000, 4_000];

/// When to come back for what was not acknowledged in that time.
const COME_BACK_MS: u64 = 5_000;

type Out = Effects<DeliveryEffect>;

/// What the request under way is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Events,
    Acks,
}

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    events: Vec<Event>,
    attempt: u32,
    now: u64,
    settings: Settings,
    state: State,
    /// As it is kept.
    stored: Option<State>,
    /// Positions of events to send.
    unsent: Vec<u32>,
    /// Positions of those in the request under way, in its order.
    sent: Vec<u32>,
    acks: Acks,
    asked: Asked,
    head: Option<ResponseHead>,
    body: Gathered,
    pauses: usize,
    refusals: u32,
}

impl Delivery {
    pub(crate) fn new(batch: Batch, settings: Settings, saved: Option<&[u8]>) -> Self {
        let state = State::restore(saved, &batch);
        let Batch { attempt, now, events } = batch;
        let stored = saved.map(|_| state.clone());
        Self {
            events,
            attempt,
            now,
            settings,
            state,
            stored,
            unsent: Vec::new(),
            sent: Vec::new(),
            acks: Acks::default(),
            asked: Asked::Events,
            head: None,
            body: Gathered::new(MAX_ANSWER),
            pauses: 0,
            refusals: 0,
        }
    }

    /// Microseconds since the Unix epoch, as far as it can be known without a clock.
    fn time(&self) -> u64 {
        let waited: u64 = PAUSES.iter().take(self.pauses).sum();
        self.now.saturating_add(waited * 1_000)
    }

    fn send(&mut self, request: Request, asked: Asked, out: &mut Out) {
        (self.asked, self.head, self.body) = (asked, None, Gathered::new(MAX_ANSWER));
        let mut request = request;
        if self.settings.acknowledgement() != Acknowledgement::Off {
            request = request.header("x-splunk-request-channel", self.state.channel.as_str());
            if let Some(cookies) = self.state.cookies() {
                request = request.header("cookie", cookies.as_str());
            }
        }
        out.send(request);
    }

    /// Does what is next: send, wait, or come to an end.
    fn go_on(&mut self, out: &mut Out) {
        self.save(out);
        if !self.unsent.is_empty() && self.send_events(out) {
            return;
        }
        if self.acks.is_empty() {
            return;
        }
        match PAUSES.get(self.pauses) {
            Some(pause) => {
                self.pauses += 1;
                out.wait(*pause);
            }
            None => {
                let open = self.acks.end();
                every(&open, &Verdict::RetryAfter(COME_BACK_MS), out);
            }
        }
    }

    fn save(&mut self, out: &mut Out) {
        let is_changed = self.stored.as_ref() != Some(&self.state);
        if is_changed && self.settings.acknowledgement() != Acknowledgement::Off {
            out.save(self.state.bytes());
            self.stored = Some(self.state.clone());
        }
    }

    /// Sends what was not sent. False where nothing was left to send; what can never be sent is dropped on the
    /// way.
    fn send_events(&mut self, out: &mut Out) -> bool {
        let mut body = Vec::new();
        self.sent.clear();
        for index in core::mem::take(&mut self.unsent) {
            let Some(event) = self.events.get(index as usize) else { continue };
            match envelope::write(&mut body, event, &self.settings) {
                Ok(()) => self.sent.push(index),
                Err(error) => out.drop_event(index, format!("it cannot be written as an event: {error}")),
            }
        }
        match self.sent.len() {
            0 => return false,
            // The bound of a batch is on the events; fields and the like are over and above it.
            2.. if body.len() > MAX_REQUEST => out.split(),
            _ => self.send(self.settings.events(body), Asked::Events, out),
        }
        true
    }

    fn ask(&mut self, out: &mut Out) {
        match self.settings.acks(self.acks.question()) {
            Some(request) => self.send(request, Asked::Acks, out),
            None => out.park(
                "set intake_url to an address that ends in /services/collector: acknowledgements \
                              are asked for below it",
            ),
        }
    }

    /// What an answer means. `is_whole`: its body did not break off.
    fn conclude(&mut self, head: &ResponseHead, is_whole: bool, out: &mut Out) {
        self.state.take_cookies(&head.headers);
        let reply = Reply::read(&self.body.text());
        let meaning = reply.meaning(head.status);
        let reason = reply.reason(head.status);
        if reply.is_warning() || meaning == Meaning::Later {
            log::warn(&reason);
        }
        match (meaning, self.asked) {
            (Meaning::Accepted, Asked::Events) => self.accepted(&reply, is_whole, out),
            (Meaning::Accepted, Asked::Acks) => self.told(out),
            (Meaning::Refused, Asked::Events) => self.refused(&reply, reason, out),
            (Meaning::Later, Asked::Events) => self.later(retry_after_ms(&head.headers), out),
            (Meaning::Later, Asked::Acks) => self.all_later(retry_after_ms(&head.headers), out),
            (Meaning::AcksOff, Asked::Acks) if self.settings.acknowledgement() == Acknowledgement::Auto => {
                // It was switched off in the meantime: that the collector has them is all that can be known.
                self.state.open.clear();
                let open = self.acks.end();
                every(&open, &Verdict::Delivered, out);
                self.go_on(out);
            }
            (Meaning::Operator(advice), Asked::Events) => self.park(reason + advice, out),
            (Meaning::Operator(advice), Asked::Acks) => {
                self.park(format!("asked for acknowledgements, {reason}{advice}"), out);
            }
            (Meaning::Refused, Asked::Acks) => {
                self.park(format!("asked for acknowledgements, {reason}"), out)
            }
            (Meaning::AcksOff, _) => self.park(reason, out),
        }
    }

    fn accepted(&mut self, reply: &Reply, is_whole: bool, out: &mut Out) {
        let (mode, now) = (self.settings.acknowledgement(), self.time());
        let sent = core::mem::take(&mut self.sent);
        match reply.ack_id.filter(|_| mode != Acknowledgement::Off) {
            Some(ack) => {
                self.unsent = self.acks.sent(ack, sent, &self.events, &mut self.state, now);
            }
            None if mode == Acknowledgement::Required && is_whole => {
                let reason = "the token has no indexer acknowledgement, and `acknowledgement` is `required`";
                return self.park(reason.to_string(), out);
            }
            // Its acknowledgement may have been in what is missing: without it nobody can tell.
            None if mode != Acknowledgement::Off && !is_whole => {
                self.sent = sent;
                return self.later(None, out);
            }
            None => every(&sent, &Verdict::Delivered, out),
        }
        self.go_on(out);
    }

    fn told(&mut self, out: &mut Out) {
        let (now, timeout) = (self.time(), self.settings.acknowledgement_timeout());
        let told = self.acks.take(&self.body.text(), &self.events, &mut self.state, now, timeout);
        every(&told.acknowledged, &Verdict::Delivered, out);
        if !told.expired.is_empty() {
            let count = told.expired.len();
            log::warn(&format!("{count} events were not acknowledged in time and are sent again"));
            self.unsent.extend(told.expired);
            self.unsent.sort_unstable();
        }
        self.go_on(out);
    }

    fn refused(&mut self, reply: &Reply, reason: String, out: &mut Out) {
        let mut sent = core::mem::take(&mut self.sent);
        let place = reply.invalid_event.filter(|place| *place < sent.len() && self.refusals < MAX_REFUSALS);
        match place {
            // Whether Splunk took those before it is not documented: twice is better than never.
            Some(place) => {
                self.refusals += 1;
                out.drop_event(sent.remove(place), reason);
                self.unsent = sent;
            }
            None if sent.len() > 1 => {
                self.save(out);
                return out.split();
            }
            None => every(&sent, &Verdict::Drop(reason), out),
        }
        self.go_on(out);
    }

    /// The events under way later; what waits for its acknowledgement goes on waiting.
    fn later(&mut self, asked: Option<u64>, out: &mut Out) {
        let wait = asked.unwrap_or_else(|| pause_ms(self.attempt));
        let sent = core::mem::take(&mut self.sent);
        every(&sent, &Verdict::RetryAfter(wait), out);
        self.go_on(out);
    }

    fn all_later(&mut self, asked: Option<u64>, out: &mut Out) {
        let wait = asked.unwrap_or_else(|| pause_ms(self.attempt));
        let mut open = self.acks.end();
        open.append(&mut self.unsent);
        every(&open, &Verdict::RetryAfter(wait), out);
        self.save(out);
    }

    fn park(&mut self, reason: String, out: &mut Out) {
        self.save(out);
        out.park(reason);
    }
}

fn every(positions: &[u32], verdict: &Verdict, out: &mut Out) {
    for index in positions {
        out.verdict(*index, verdict.clone());
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Out) -> Result<(), Failure> {
        if self.settings.acknowledgement() == Acknowledgement::Off {
            self.unsent = (0..).zip(&self.events).map(|(index, _)| index).collect();
            self.go_on(out);
            return Ok(());
        }
        let timeout = self.settings.acknowledgement_timeout();
        let Known { acks, acknowledged, unsent } = Acks::of(&self.events, &mut self.state, self.now, timeout);
        (self.acks, self.unsent) = (acks, unsent);
        every(&acknowledged, &Verdict::Delivered, out);
        if self.acks.is_empty() {
            self.go_on(out)
        } else {
            self.ask(out)
        }
        Ok(())
    }

    fn resumed(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.ask(out);
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
        self.conclude(&head, true, out);
        Ok(())
    }

    fn broken(&mut self, failure: TransportFailure, out: &mut Out) -> Result<(), Failure> {
        match (self.head.take(), failure.kind, self.asked) {
            (Some(head), ..) => self.conclude(&head, false, out),
            (None, TransportFailureKind::Denied, _) => self.park(failure.message, out),
            (None, _, asked) => {
                log::warn(&failure.message);
                match asked {
                    Asked::Events => self.later(None, out),
                    Asked::Acks => self.all_later(None, out),
                }
            }
        }
        Ok(())
    }
}
