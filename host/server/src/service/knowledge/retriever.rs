//! A knowledge base's retriever, and what it may reach: this knowledge base and nothing else.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Kind;
use hardpoint_runtime::Binding;
use hardpoint_runtime::{Embedder, Knowledge};
use hardpoint_store::knowledge::bases::KnowledgeBase;
use serde_json::{Map, Value, json};

use super::bound::{BoundIndex, Payer, RemoteEmbedder};
use super::embedder::{self, Maker};
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
    /// The embedder among that, where it is a model of `/models`.
    pub remote: Option<Arc<RemoteEmbedder>>,
}

/// The retriever that a knowledge base names, with its index as it is now.
///
/// # Errors
/// `Paused` where no live retriever of that name is open to the organisation; `Busy` where the search data cannot be used.
pub async fn of(app: &Arc<App>, base: &KnowledgeBase) -> Result<Retriever, Failure> {
    let payer = Payer::Organization(Arc::clone(app), base.organization_id.clone());
    over(app, base, Some(opened(app, base).await?), Some(payer))
}

/// The same for who has it forget documents: of a knowledge base that was removed there is no index any more.
///
/// # Errors
/// As for [`of`].
pub async fn to_forget(app: &App, base: &KnowledgeBase) -> Result<Retriever, Failure> {
    let opened = if base.removed_at.is_some() { None } else { Some(opened(app, base).await?) };
    over(app, base, opened, None)
}

async fn opened(app: &App, base: &KnowledgeBase) -> Result<Arc<Opened>, Failure> {
    let opened = app.knowledge.library.shelf(&base.id).await;
    opened.map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))
}

/// The same over what is open of its search data. A model of `/models` is asked where somebody pays for it.
///
/// # Errors
/// `Paused` where no live retriever of that name is open to the organisation.
pub fn over(
    app: &App,
    base: &KnowledgeBase,
    opened: Option<Arc<Opened>>,
    payer: Option<Payer>,
) -> Result<Retriever, Failure> {
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
    let (mut embedder, mut remote) = (None, None);
    match pinned.and_then(|pinned| embedder::maker(app, pinned)) {
        Some(Maker::Local(local)) => embedder = Some(Arc::new(local.clone()) as Arc<dyn Embedder>),
        Some(Maker::Remote(_)) => remote = pinned.cloned().zip(payer),
        None => {}
    }
    let remote = remote.map(|(pinned, payer)| Arc::new(RemoteEmbedder::new(pinned, payer)));
    let asked = remote.clone().map(|remote| remote as Arc<dyn Embedder>);
    let knowledge = Knowledge {
        settings: settings(&binding, base),
        index: Arc::clone(&index) as Arc<_>,
        embedder: embedder.or(asked),
    };
    Ok(Retriever { binding, knowledge, index, remote })
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
