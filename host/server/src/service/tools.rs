//! Bound tool plugins, for clients that call them directly.

use std::sync::Arc;

use hardpoint_domain::failure::Failure;
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::message::ToolDefinition;
use hardpoint_runtime::{Binding, CallContext, Catalogue, ToolError};

use super::completions::context;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::App;

/// A bound tool.
#[derive(Debug)]
pub struct Tool {
    /// What it says of itself; none where it cannot be asked at the moment.
    pub definition: Option<ToolDefinition>,
    /// Its name.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// Whether calls are taken.
    pub enabled: bool,
}

/// Every bound tool that the caller's organisation may use, by name.
pub async fn list(app: &App, caller: &Caller) -> Vec<Tool> {
    let catalogue = app.runtime.snapshot();
    let mut tools = Vec::new();
    let organization = &*caller.organization_id;
    for binding in catalogue.bindings_of(Kind::Tool).filter(|binding| binding.admits(organization)) {
        let definition = match definition(binding, context(caller)).await {
            Ok(definition) => Some(definition),
            Err(failure) => {
                tracing::warn!(tool = binding.name(), %failure, "a tool does not say what it does");
                None
            }
        };
        tools.push(Tool {
            enabled: definition.is_some() && !binding.is_broken(),
            definition,
            name: binding.name().to_owned(),
            plugin: binding.generation().manifest().id.clone(),
        });
    }
    tools
}

/// A bound tool as a model sees it.
///
/// # Errors
/// It refuses its settings, or its sandbox was stopped.
pub(super) async fn definition(
    binding: &Arc<Binding>,
    context: CallContext,
) -> Result<ToolDefinition, Failure> {
    let described = binding.describe_tool(context).await?;
    Ok(ToolDefinition {
        name: binding.name().to_owned(),
        description: Some(described.description),
        parameters: Some(described.parameters.to_string()),
        strict: None,
    })
}

/// What a tool answered, and who it was.
#[derive(Debug)]
pub struct Called {
    /// Its text.
    pub text: String,
    /// The binding that answered.
    pub binding: Arc<Binding>,
}

/// Calls a tool with a JSON object as text.
///
/// # Errors
/// 403 for a test key where the tool may have an effect; 404 where there is none of that name, 422 for arguments that do not fit, 502 where it failed.
pub async fn call(app: &App, caller: &Caller, name: &str, arguments: &str) -> Result<Called, ApiError> {
    let catalogue = app.runtime.snapshot();
    let binding = tool(&catalogue, caller, name)?;
    if !caller.livemode && binding.permissions().has_effects() {
        return Err(ApiError::test_key("calls no tool that may reach others or keep something"));
    }
    match binding.call_tool(context(caller), arguments).await {
        Ok(text) => Ok(Called { text, binding: Arc::clone(binding) }),
        Err(ToolError::InvalidArguments(reason)) => {
            Err(ApiError::impossible("arguments", "invalid_arguments", reason))
        }
        Err(ToolError::Failed(reason)) => Err(ApiError::tool_failed(reason)),
        Err(ToolError::Stopped(failure)) => Err(failure.into()),
    }
}

fn tool<'c>(catalogue: &'c Catalogue, caller: &Caller, name: &str) -> Result<&'c Arc<Binding>, ApiError> {
    let found =
        catalogue.binding_for(&caller.organization_id, name).filter(|binding| binding.kind() == Kind::Tool);
    found.ok_or_else(|| {
        ApiError::not_found(format_args!("tool '{}'", name.chars().take(80).collect::<String>()))
    })
}
