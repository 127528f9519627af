//! Work that no request waits for.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::state::{App, stopped};

pub mod checkpoints;
mod crew;
pub mod destinations;
pub mod drift;
pub mod forgetting;
pub mod gauges;
pub mod idempotency;
pub mod knowledge;
pub mod last_used;
pub mod leases;
pub mod loaded;
pub mod mail;
pub mod pauses;
pub mod places;
pub mod refusals;
pub mod reload;
pub mod retention;
pub mod sequencer;
pub mod webhooks;

/// The rounds of a worker: one every so often, and a last one when the server stops.
struct Rounds {
    ticks: Interval,
    stopping: watch::Receiver<bool>,
    is_last: bool,
}

impl Rounds {
    fn every(period: Duration, app: &App) -> Self {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stopping: app.stop.subscribe(), is_last: false }
    }

    /// Waits for the next round; false after the last one.
    async fn next(&mut self) -> bool {
        if self.is_last {
            return false;
        }
        tokio::select! {
            _ = self.ticks.tick() => {}
            () = stopped(&mut self.stopping) => self.is_last = true,
        }
        true
    }
}
