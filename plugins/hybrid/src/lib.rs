//! The default retriever: nine formats, passages, and both searches of the host's index made one.

mod search;
mod settings;

use hardpoint_sdk::Failure;
use hardpoint_sdk::retriever::{Document, Hit, Retriever, SearchRequest, Sink};

pub use settings::Settings;

/// The plugin. What it forgets the host's index forgets by itself, so `remove` has nothing to do.
pub enum Hybrid {}

impl Retriever for Hybrid {
    type Settings = Settings;

    fn ingest(document: &dyn Document, into: &dyn Sink, settings: Settings) -> Result<(), Failure> {
        reading::ingest(document, into, settings.sizes())
    }

    fn search(request: SearchRequest, settings: Settings) -> Result<Vec<Hit>, Failure> {
        search::search(&request, &settings)
    }
}

hardpoint_sdk::export!(retriever: Hybrid);
