//! A knowledge base's retriever, and what it may reach: this knowledge base and nothing else.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Kind;
use hardpoint_runtime::Binding;
use hardpoint_runtime::{Embedder, Knowledge};
use hardpoint_store::knowledge::bases::KnowledgeBase;
use serde_json::{Map, Value, json};

use super::bound::BoundIndex;
use super::library::Opened;
use crate::state::App;

/// For one call.
pub struct Retriever {
    /// Who is called.
    pub binding: Arc<Binding>,
    /// What it may reach.
    pub knowledge: Knowledge,
    /// The index among that, which remembers what it answered.
    pub index: Arc<BoundIndex>,
}

/// The retriever that a knowledge base names, with its index as it is now.
///
/// # Errors
/// `Paused` where no live retriever of that name is open to the organisation; `Busy` where the search data cannot be used.
pub async fn of(app: &App, base: &KnowledgeBase) -> Result<Retriever, Failure> {
    let opened = app.knowledge.library.shelf(&base.id).await;
    let opened = opened.map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))?;
    over(app, base, Some(opened))
}

/// The same for who has it forget documents: of a knowledge base that was removed there is no index any more.
///
/// # Errors
/// As for [`of`].
pub async fn to_forget(app: &App, base: &KnowledgeBase) -> Result<Retriever, Failure> {
    if base.removed_at.is_some() { over(app, base, None) } else { of(app, base).await }
}

/// The same over what is open of its search data.
///
/// # Errors
/// `Paused` where no live retriever of that name is open to the organisation.
pub fn over(app: &App, base: &KnowledgeBase, opened: Option<Arc<Opened>>) -> Result<Retriever, Failure> {
    let catalogue = app.runtime.snapshot();
    let name = base.settings.retriever.as_str();
    let found = catalogue.binding_for(&base.organization_id, name);
    let found = found.filter(|binding| binding.kind() == Kind::Retriever);
    let Some(binding) = found.map(Arc::clone) else {
        let message = format!("the retriever '{name}' does not serve at the moment");
        return Err(Failure::new(FailureKind::Paused, message));
    };
    let generation = base.current.as_ref().map(|current| current.number);
    let index = Arc::new(BoundIndex::new(&app.store, &base.id, opened, generation));
    let pinned = base.current.as_ref().map(|current| &current.embedder);
    let embedder = pinned.and_then(|pinned| app.knowledge.embedder_for(pinned)).cloned();
    let knowledge = Knowledge {
        settings: settings(&binding, base),
        index: Arc::clone(&index) as Arc<_>,
        embedder: embedder.map(|embedder| Arc::new(embedder) as Arc<dyn Embedder>),
    };
    Ok(Retriever { binding, knowledge, index })
}

/// The binding's settings, with those of the knowledge base laid over them that its manifest has a word for.
fn settings(binding: &Binding, base: &KnowledgeBase) -> Value {
    let mut settings = binding.settings().as_object().cloned().unwrap_or_default();
    let schema = binding.generation().manifest().settings.as_ref();
    let known = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let Some(known) = known else { return Value::Object(settings) };
    for (name, value) in own_settings(base) {
        if known.contains_key(&name) {
            settings.insert(name, value);
        }
    }
    Value::Object(settings)
}

/// What a knowledge base tells its retriever.
fn own_settings(base: &KnowledgeBase) -> Map<String, Value> {
    let chunking = base.settings.chunking;
    let own = json!({
        "knowledge_base": base.id,
        "chunk_tokens": chunking.tokens,
        "chunk_overlap": chunking.overlap,
    });
    own.as_object().cloned().unwrap_or_default()
}
