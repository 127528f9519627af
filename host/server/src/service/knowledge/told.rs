//! What events tell of knowledge bases and documents.

use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::knowledge::settings::Sharing;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::knowledge::bases::KnowledgeBase;
use hardpoint_store::knowledge::documents::Document;
use serde_json::{Value, json};

use crate::service::events::Author;

/// What is told of a document: SecureAI's `data` of a webhook.
pub fn document(document: &Document) -> Value {
    let mut told = json!({
        "document_id": document.id,
        "knowledge_base_id": document.knowledge_base_id,
        "filename": document.filename,
        "status": document.state,
        "page_count": document.page_count,
    });
    if let Some(reason) = &document.reason {
        told["reason"] = json!(reason);
    }
    told
}

/// An event of a document, as it is afterwards: `document.uploaded`, `document.indexed` …
pub fn of_document(author: &Author, about: &Document, kind: &str, now: Timestamp, rng: &dyn Rng) -> Event {
    let target = Target::new("document", &about.id);
    let event = author.event(now, rng, kind, target, document(about));
    Event { organization_id: Some(about.organization_id.clone()), ..event }
}

/// What is told of a knowledge base.
pub fn base(base: &KnowledgeBase) -> Value {
    let settings = &base.settings;
    let workspaces = match &settings.sharing {
        Sharing::Organization => None,
        Sharing::Workspaces(ids) => Some(ids),
    };
    json!({
        "name": settings.name,
        "description": settings.description,
        "retriever": settings.retriever,
        "embedder": base.generations().last().map(|generation| &generation.embedder),
        "chunking": settings.chunking,
        "similarity_threshold": settings.similarity_threshold,
        "fallback": settings.fallback,
        "workspaces": workspaces,
    })
}

/// An event of a knowledge base: `knowledge_base.created` …
pub(super) fn of_base(
    author: &Author,
    about: &KnowledgeBase,
    kind: &str,
    (before, after): (Value, Value),
    (now, rng): (Timestamp, &dyn Rng),
) -> Event {
    let target = Target::new("knowledge_base", &about.id);
    let event = author.event(now, rng, kind, target, after);
    let before = (!before.is_null()).then_some(before);
    Event { organization_id: Some(about.organization_id.clone()), before, ..event }
}
