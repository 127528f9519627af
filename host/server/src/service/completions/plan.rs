//! Who may answer a request: the model it names, then that model's fallbacks.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::message::{CompletionRequest, ContentPart, ResponseFormat, ToolChoice};
use hardpoint_domain::model::{Capability, Model, Prices};
use hardpoint_runtime::{CallContext, Catalogue};

use super::adapter::Adapter;
use super::host_tools::HostTools;
use crate::config::{BUILT_IN_MODEL, built_in_model};
use crate::error::ApiError;
use crate::service::billing::{self, Bound, Offer};
use crate::service::models;

/// One model that may answer.
pub(super) struct Candidate {
    /// Its id.
    pub(super) model: String,
    /// The provider's name for it.
    pub(super) upstream: String,
    pub(super) prices: Prices,
    /// Tokens that it writes at most where the request does not say.
    pub(super) max_output_tokens: u32,
    pub(super) adapter: Adapter,
}

/// A request, and who may answer it.
pub(super) struct Plan {
    /// With the definitions of the host's tools behind the client's.
    pub(super) request: CompletionRequest,
    /// How many of the request's tools are the client's.
    pub(super) client_tools: usize,
    /// At least one; the first is asked first.
    pub(super) candidates: Vec<Candidate>,
    pub(super) tools: HostTools,
}

impl Plan {
    /// What the request buys; none where nothing that may answer costs anything. What costs something has an end:
    /// a request that names none is given the model's, or nobody could tell what it may cost.
    pub(super) fn offer(&mut self) -> Option<Offer> {
        let prices: Vec<Prices> = self.candidates.iter().map(|candidate| candidate.prices).collect();
        if prices.iter().all(Prices::is_free) {
            return None;
        }
        Some(Offer { prices, bound: self.bound() })
    }

    /// The most tokens of its first round, whichever model answers.
    pub(super) fn bound(&mut self) -> Bound {
        if let Some(first) = self.candidates.first() {
            self.request.max_tokens.get_or_insert(first.max_output_tokens);
        }
        billing::bound(&self.request)
    }
}

/// Answers a test key's request: with the built-in model that calls nobody, whichever was asked for.
pub(super) async fn test_plan(
    models: &[Model],
    catalogue: &Catalogue,
    context: &CallContext,
    request: CompletionRequest,
) -> Result<Plan, ApiError> {
    models::find(models, &request.model)?;
    let built_in = [built_in_model()];
    // Tools may call others: a test has none.
    let request = CompletionRequest {
        model: BUILT_IN_MODEL.to_owned(),
        tools: Vec::new(),
        tool_choice: None,
        ..request
    };
    plan(&built_in, catalogue, context, request).await
}

/// Resolves a request against the configured models and what is live at this moment.
pub(super) async fn plan(
    models: &[Model],
    catalogue: &Catalogue,
    context: &CallContext,
    mut request: CompletionRequest,
) -> Result<Plan, ApiError> {
    let model = models::find(models, &request.model)?;
    models::check_open(model, catalogue, &context.organization)?;
    let needs = needs(&request);
    if let Some((capability, field, what)) = needs.iter().find(|(capability, ..)| !can(model, *capability)) {
        let message = format!("The model '{}' {what}.", model.id);
        return Err(ApiError::impossible(*field, "capability", message)
            .with_detail("capability", models::word(*capability)));
    }
    let able = |model: &&Model| needs.iter().all(|(capability, ..)| can(model, *capability));
    let candidates = models::with_fallbacks(models, model)
        .filter(able)
        .filter_map(|model| candidate(model, catalogue, context));
    let candidates: Vec<_> = candidates.collect();
    if candidates.is_empty() {
        let reason = models::unavailable(model, catalogue).unwrap_or_else(|| "no binding".to_owned());
        return Err(Failure::new(FailureKind::Denied, reason).into());
    }

    let client_tools = request.tools.len();
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    let tools = if model.tools.is_empty() || forbidden {
        HostTools::default()
    } else {
        let (tools, definitions) = HostTools::find(&model.tools, catalogue, context, &request.tools).await;
        request.tools.extend(definitions);
        tools
    };
    check_choice(&request)?;
    Ok(Plan { request, client_tools, candidates, tools })
}

/// A model of the list whose binding is live.
fn candidate(model: &Model, catalogue: &Catalogue, context: &CallContext) -> Option<Candidate> {
    let binding = catalogue.binding_for(&context.organization, &model.binding);
    let binding = binding.filter(|binding| binding.kind() == Kind::Model)?;
    Some(Candidate {
        model: model.id.clone(),
        upstream: models::upstream(model).to_owned(),
        prices: model.prices,
        max_output_tokens: billing::default_output(model),
        adapter: Adapter::Plugin(Arc::clone(binding)),
    })
}

/// What a model must be able to do for this request, the member that asks for it, and what to say where it cannot.
fn needs(request: &CompletionRequest) -> Vec<(Capability, &'static str, &'static str)> {
    let images = request.messages.iter().flat_map(|message| &message.content);
    let sees = images.into_iter().any(|part| matches!(part, ContentPart::Image { .. }));
    let formats = !matches!(request.response_format, None | Some(ResponseFormat::Text));
    let mut needs = vec![(Capability::Chat, "model", "does not chat: use /embeddings")];
    if sees {
        needs.push((Capability::Vision, "messages", "takes no images"));
    }
    if !request.tools.is_empty() {
        needs.push((Capability::Tools, "tools", "calls no tools"));
    }
    if formats {
        needs.push((Capability::Json, "response_format", "has no JSON response format"));
    }
    needs
}

/// A model that declares nothing is taken to do what it is asked for; its provider knows better.
fn can(model: &Model, capability: Capability) -> bool {
    model.capabilities.is_empty() || model.capabilities.contains(&capability)
}

pub(super) fn check_choice(request: &CompletionRequest) -> Result<(), ApiError> {
    match &request.tool_choice {
        Some(ToolChoice::Function(name)) if !request.tools.iter().any(|tool| tool.name == *name) => {
            let message =
                format!("The 'tool_choice' field names '{name}', which is no tool of this request.");
            Err(ApiError::impossible("tool_choice", "unknown_tool", message))
        }
        Some(ToolChoice::Required) if request.tools.is_empty() => {
            let message = "The 'tool_choice' field requires a tool call, and there are no tools.";
            Err(ApiError::impossible("tool_choice", "unknown_tool", message))
        }
        _ => Ok(()),
    }
}
