//! Exporter to Splunk's HTTP Event Collector (HEC), by its documents: "Format events for HTTP Event
//! Collector", "About HTTP Event Collector Indexer Acknowledgment" and "Troubleshoot HTTP Event Collector".
//!
//! An event may arrive twice where an answer was lost on the way, or an acknowledgement: Splunk tells each
//! status once and knows no ids of events. Each event carries its id as the indexed field `event_id`, so that
//! a search can leave out what came twice (`| dedup event_id`).
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod acks;
mod answer;
mod delivery;
mod envelope;
mod settings;
mod state;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter};

/// The plugin.
pub enum Splunk {}

impl Exporter for Splunk {
    type Settings = settings::Settings;
    type Delivery = delivery::Delivery;

    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        state: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure> {
        settings.check()?;
        Ok(delivery::Delivery::new(batch, settings, state.as_deref()))
    }
}

hardpoint_sdk::export!(exporter: Splunk);
