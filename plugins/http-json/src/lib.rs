//! Exporter to any HTTP endpoint that takes JSON: what differs between endpoints is a setting.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod body;
mod delivery;
mod entry;
mod settings;
mod status;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter, Turns};

/// The plugin.
pub enum HttpJson {}

impl Exporter for HttpJson {
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

hardpoint_sdk::export!(exporter: HttpJson);
