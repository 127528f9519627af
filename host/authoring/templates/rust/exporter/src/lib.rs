//! An exporter that posts each batch as lines of JSON, and says by the answer what became of the events.

use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Exporter, Verdict};
use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::request::ResponseHead;
use hardpoint_sdk::{Effects, Failure, Machine, Request, parts, secret};
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
    type Delivery = Delivery;

    fn deliver(batch: Batch, settings: Settings, _: Option<Vec<u8>>) -> Result<Delivery, Failure> {
        Ok(Delivery { batch, url: settings.url, status: None })
    }
}

hardpoint_sdk::export!(exporter: JsonLines);

/// One attempt at one batch: one request.
pub struct Delivery {
    batch: Batch,
    url: String,
    /// Of the answer, once there is one, with the time that it asks to wait.
    status: Option<(u16, Option<u64>)>,
}

impl Delivery {
    fn every(&self, out: &mut Effects<DeliveryEffect>, verdict: &Verdict) {
        (0..self.batch.events.len() as u32).for_each(|index| out.verdict(index, verdict.clone()));
    }

    /// Where the answer names no time: five seconds, doubled with each attempt, at most five minutes.
    fn patience(&self) -> u64 {
        (5_000 << self.batch.attempt.saturating_sub(1).min(6)).min(300_000)
    }
}

impl Machine for Delivery {
    type Effect = DeliveryEffect;

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

    fn head(&mut self, head: ResponseHead, _: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        self.status = Some((head.status, retry_after_ms(&head.headers)));
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        let Some((status, wait)) = self.status else {
            return Err(Failure::protocol("an answer without a head"));
        };
        match status {
            200..=299 => self.every(out, &Verdict::Delivered),
            401 | 403 => out.park(format!("the endpoint refused the token (status {status})")),
            413 if self.batch.events.len() > 1 => out.split(),
            408 | 429 | 500..=599 => {
                self.every(out, &Verdict::RetryAfter(wait.unwrap_or_else(|| self.patience())));
            }
            _ => self.every(out, &Verdict::Drop(format!("refused with status {status}"))),
        }
        Ok(())
    }

    // `broken` is left as it is: a connection that failed fails the batch, and the host offers it again.
}
