//! Exporter to data streams of Elasticsearch by its bulk API, by its documents:
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk> and, for the fields,
//! <https://www.elastic.co/docs/reference/ecs>.
//!
//! An event's id is its document's `_id`, so that one that is sent twice is there once: the second `create`
//! is answered with 409. Ids are unique within one backing index; what was sent before a rollover and again
//! after it is there twice.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod answer;
mod delivery;
mod document;
mod settings;

use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::exporter::{Batch, Exporter, Turns};

/// The plugin.
pub enum Elastic {}

impl Exporter for Elastic {
    type Settings = settings::Settings;
    type Delivery = Turns<delivery::Delivery>;

    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        _: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure> {
        settings.check()?;
        Ok(Turns::new(delivery::Delivery::new(batch, settings)))
    }
}

hardpoint_sdk::export!(exporter: Elastic);
