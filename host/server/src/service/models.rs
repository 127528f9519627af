//! Configured models, and whether they can answer at the moment.

use hardpoint_domain::manifest::Kind;
use hardpoint_domain::model::{Capability, Model};
use hardpoint_runtime::Catalogue;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::App;

/// A model by its id.
///
/// # Errors
/// 422 where there is none.
pub fn find<'m>(models: &'m [Model], id: &str) -> Result<&'m Model, ApiError> {
    models.iter().find(|model| model.id == id).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    let shown: String = id.chars().take(80).collect();
    let message = format!("There is no model '{shown}'. GET /models lists those that there are.");
    ApiError::impossible("model", "unknown_model", message).with_code("model_not_found")
}

/// The model that answers where a request names none: the first that chats and is open to the caller's organisation.
///
/// # Errors
/// 422 where there is none.
pub fn usual(app: &App, caller: &Caller) -> Result<String, ApiError> {
    let catalogue = app.runtime.snapshot();
    let chats =
        |model: &&Model| model.capabilities.is_empty() || model.capabilities.contains(&Capability::Chat);
    let mut open = app.config.models.iter().filter(chats);
    let found = open.find(|model| is_open(model, &catalogue, &caller.organization_id));
    let message = "There is no model that answers. GET /models lists those that there are.";
    found.map(|model| model.id.clone()).ok_or_else(|| ApiError::impossible("model", "unknown_model", message))
}

/// Whether the organisation may use the model: its plugin may be enabled for others only.
pub fn is_open(model: &Model, catalogue: &Catalogue, organization: &str) -> bool {
    catalogue.admits(organization, &model.binding)
}

/// Refuses a model that the organisation may not use, as if there were none.
///
/// # Errors
/// 422, as for a model that there is not.
pub fn check_open(model: &Model, catalogue: &Catalogue, organization: &str) -> Result<(), ApiError> {
    if is_open(model, catalogue, organization) { Ok(()) } else { Err(unknown(&model.id)) }
}

/// A model and then its fallbacks, in their order. A fallback's own fallbacks do not count.
pub fn with_fallbacks<'m>(models: &'m [Model], model: &'m Model) -> impl Iterator<Item = &'m Model> {
    let named = |id: &String| models.iter().find(|other| other.id == *id && other.id != model.id);
    std::iter::once(model).chain(model.fallbacks.iter().filter_map(named))
}

/// The provider's name for a model.
pub fn upstream(model: &Model) -> &str {
    model.upstream.as_deref().unwrap_or(&model.id)
}

/// Why a model cannot answer at the moment, for operators; none where it can.
pub fn unavailable(model: &Model, catalogue: &Catalogue) -> Option<String> {
    let name = &model.binding;
    let Some(binding) = catalogue.binding(name) else {
        return Some(format!(
            "binding `{name}` is not live: see `hardpoint plugin list` for its plugin's state"
        ));
    };
    let id = &binding.generation().manifest().id;
    if binding.kind() != Kind::Model {
        return Some(format!("binding `{name}` is of plugin `{id}`, which is no model adapter"));
    }
    binding.is_broken().then(|| {
        format!("binding `{name}` is paused after repeated faults: see `hardpoint plugin inspect {id}`")
    })
}

/// The word for a capability, in the configuration and in answers.
pub fn word(capability: Capability) -> &'static str {
    match capability {
        Capability::Chat => "chat",
        Capability::Streaming => "streaming",
        Capability::Tools => "tools",
        Capability::Vision => "vision",
        Capability::Json => "json",
        Capability::Embeddings => "embeddings",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, fallbacks: &[&str]) -> Model {
        serde_json::from_value(serde_json::json!({ "id": id, "binding": "b", "fallbacks": fallbacks }))
            .unwrap()
    }

    #[test]
    fn fallbacks_are_one_level_deep_and_never_the_model_itself() {
        let models = [model("a", &["b", "gone", "a"]), model("b", &["c"]), model("c", &["a"])];
        let ids: Vec<_> = with_fallbacks(&models, &models[0]).map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn an_unknown_model_is_named() {
        let error = find(&[], "gpt-99").unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            "422 validation_error: There is no model 'gpt-99'. GET /models lists those that there are."
        );
    }
}
