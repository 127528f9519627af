//! Exporter to Datadog's log intake, version 2, by its documents:
//! <https://docs.datadoghq.com/api/latest/logs/#send-logs>.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod answer;
mod delivery;
mod entry;
mod settings;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter, Turns};

/// The plugin.
pub enum Datadog {}

impl Exporter for Datadog {
    type Settings = settings::Settings;
    type Delivery = Turns<delivery::Delivery>;

    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        _: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure> {
        Ok(Turns::new(delivery::Delivery::new(batch, settings)))
    }
}

hardpoint_sdk::export!(exporter: Datadog);
