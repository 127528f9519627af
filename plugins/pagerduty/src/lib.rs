//! Exporter to PagerDuty's Events API, version 2, by its documents:
//! <https://developer.pagerduty.com/docs/events-api-v2-overview> and
//! <https://developer.pagerduty.com/docs/send-alert-event>.
//!
//! An event that is sent twice, because an answer was lost, has the same deduplication key and becomes one
//! alert.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod alert;
mod answer;
mod delivery;
mod details;
mod settings;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter};

/// The plugin.
pub enum PagerDuty {}

impl Exporter for PagerDuty {
    type Settings = settings::Settings;
    type Delivery = delivery::Delivery;

    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        _: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure> {
        Ok(delivery::Delivery::new(batch, settings))
    }
}

hardpoint_sdk::export!(exporter: PagerDuty);
