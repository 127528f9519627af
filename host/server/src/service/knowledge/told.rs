//! What events tell of documents.

use hardpoint_domain::event::{Event, Outcome, Target};
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::knowledge::documents::Document;
use serde_json::{Value, json};

use crate::service::events::Author;

/// An event of a document as it is now, in its organisation. Its body is what SecureAI's webhooks carry.
pub fn of_document(
    document: &Document,
    kind: &str,
    author: &Author,
    (now, rng): (Timestamp, &dyn Rng),
) -> Event {
    let target = Target::new("document", &document.id);
    let event = author.event(now, rng, kind, target, shown(document));
    let outcome = if kind == "document.failed" { Outcome::Failure } else { Outcome::Success };
    Event { organization_id: Some(document.organization_id.clone()), outcome, ..event }
}

/// `document_id`, `knowledge_base_id`, `filename`, `status` and `page_count`; the reason where there is one.
pub fn shown(document: &Document) -> Value {
    let mut shown = json!({
        "document_id": document.id,
        "knowledge_base_id": document.knowledge_base_id,
        "filename": document.filename,
        "status": document.state.as_str(),
        "page_count": document.page_count,
    });
    if let Some(reason) = &document.reason {
        shown["reason"] = json!(reason);
    }
    shown
}
