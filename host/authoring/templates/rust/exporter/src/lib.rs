//! An exporter that posts each batch as lines of JSON, and says by the answer what became of the events.

use hardpoint_sdk::exporter::{Answer, Batch, DeliveryEffect, Exporter, InTurn, Turns, Verdict, pause_ms};
use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::{Effects, Failure, Request, log, parts, secret};
use serde::Deserialize;

/// The plugin.
pub enum JsonLines {}

/// What the operator set; `plugin.toml` has its schema.
#[derive(Deserialize)]
pub struct Settings {
    url: String,
}

impl Exporter for JsonLines {
    type Settings = Settings;
    type Delivery = Turns<Delivery>;

    fn deliver(batch: Batch, settings: Settings, _: Option<Vec<u8>>) -> Result<Turns<Delivery>, Failure> {
        Ok(Turns::new(Delivery { batch, url: settings.url }))
    }
}

hardpoint_sdk::export!(exporter: JsonLines);

/// One attempt at one batch: one request.
pub struct Delivery {
    batch: Batch,
    url: String,
}

impl Delivery {
    fn every(&self, out: &mut Effects<DeliveryEffect>, verdict: &Verdict) {
        (0..self.batch.events.len() as u32).for_each(|index| out.verdict(index, verdict.clone()));
    }

    /// All of it again, after the time that the other side asks for, or one that grows with each attempt.
    fn later(&self, out: &mut Effects<DeliveryEffect>, asked: Option<u64>) {
        let wait = asked.unwrap_or_else(|| pause_ms(self.batch.attempt));
        self.every(out, &Verdict::RetryAfter(wait));
    }
}

impl InTurn for Delivery {
    const MAX_ANSWER: usize = 4 * 1024;

    fn started(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        let lines: String = self.batch.events.iter().flat_map(|event| [event.body.as_str(), "\n"]).collect();
        let request = Request::post(&self.url)
            .header("content-type", "application/x-ndjson")
            // Left out by the host where there is no token.
            .header("authorization", parts!["Bearer ", secret("token")])
            .body(lines)
            .gzip();
        out.send(request);
        Ok(())
    }

    fn answered(&mut self, answer: &Answer, out: &mut Effects<DeliveryEffect>) {
        let status = answer.head.status;
        match status {
            200..=299 => self.every(out, &Verdict::Delivered),
            401 | 403 => out.park(format!("the endpoint refused the token (status {status})")),
            413 if self.batch.events.len() > 1 => out.split(),
            408 | 429 | 500..=599 => self.later(out, retry_after_ms(&answer.head.headers)),
            _ => {
                let reason = format!("refused with status {status}: {}", answer.body.text());
                self.every(out, &Verdict::Drop(reason));
            }
        }
    }

    fn unanswered(&mut self, reason: String, out: &mut Effects<DeliveryEffect>) {
        log::warn(&reason);
        self.later(out, None);
    }
}
