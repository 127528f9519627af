//! Exporter of log records by OTLP over HTTP, version 1: <https://opentelemetry.io/docs/specs/otlp/>.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod answer;
mod delivery;
mod message;
mod record;
mod settings;
mod severity;
mod trace;
mod value;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter, Turns};

/// The plugin.
pub enum Otlp {}

impl Exporter for Otlp {
    type Settings = settings::Settings;
    type Delivery = Turns<delivery::Delivery>;

    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        _: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure> {
        Ok(Turns::new(delivery::Delivery::new(batch, settings)?))
    }
}

hardpoint_sdk::export!(exporter: Otlp);
