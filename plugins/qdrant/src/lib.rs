//! A retriever whose passages are in Qdrant, an engine outside: documents are read as `hybrid` reads them, pages and
//! passages go to the host, and passages with their vectors to a collection of Qdrant, by its REST API.

mod engine;
mod filter;
mod ingest;
mod point;
mod search;
mod settings;

use hardpoint_sdk::Failure;
use hardpoint_sdk::retriever::{Document, Hit, Retriever, SearchRequest, Sink};

use engine::Engine;
pub use settings::Settings;

/// The plugin.
pub enum Qdrant {}

impl Retriever for Qdrant {
    type Settings = Settings;

    fn ingest(document: &dyn Document, into: &dyn Sink, settings: Settings) -> Result<(), Failure> {
        ingest::ingest(document, into, &settings)
    }

    fn search(request: SearchRequest, settings: Settings) -> Result<Vec<Hit>, Failure> {
        search::search(&request, &settings)
    }

    fn remove(document_ids: Vec<String>, settings: Settings) -> Result<(), Failure> {
        if document_ids.is_empty() {
            return Ok(());
        }
        Engine::new(&settings).delete(&filter::documents(&settings.knowledge_base, &document_ids))
    }
}

hardpoint_sdk::export!(retriever: Qdrant);
