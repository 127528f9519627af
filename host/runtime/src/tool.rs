//! Tools: what a binding offers, and one call of it.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};

use crate::binding::Binding;
use crate::bindings::tool::exports::hardpoint::plugin::tool as wit;
use crate::error::Fault;
use crate::sandbox::{CallContext, Instance};

/// What a tool offers to models.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDescription {
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// Why a tool gave no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ToolError {
    /// The arguments do not fit; the caller can mend them.
    #[error("{0}")]
    InvalidArguments(String),
    /// It failed, for this reason.
    #[error("{0}")]
    Failed(String),
    /// There was no room, or its sandbox was stopped.
    #[error("{0}")]
    Stopped(Failure),
}

impl Binding {
    /// What this tool offers under the binding's settings. It is asked once: settings and version stay
    /// the same for as long as the binding lives.
    ///
    /// # Errors
    /// The tool refuses its settings, or its sandbox was stopped.
    pub async fn describe_tool(self: &Arc<Self>, context: CallContext) -> Result<ToolDescription, Failure> {
        self.description.get_or_try_init(|| self.ask_for_description(context)).await.cloned()
    }

    async fn ask_for_description(self: &Arc<Self>, context: CallContext) -> Result<ToolDescription, Failure> {
        let mut sandbox = self.enter(context.clone(), Arc::clone(&self.secrets)).await?;
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            match tool(instance) {
                Ok(tool) => stopwatch.run(tool.call_describe(store, &self.settings_text)).await,
                Err(fault) => Err(fault),
            }
        };
        let described = self.end(sandbox, outcome, &context)?;
        let refused = |reason| Failure::new(FailureKind::InvalidRequest, reason);
        let definition = described.map_err(refused)?;
        let parameters = serde_json::from_str::<serde_json::Value>(&definition.parameters)
            .ok()
            .filter(serde_json::Value::is_object)
            .ok_or_else(|| refused("the schema of its arguments is no JSON object".into()))?;
        Ok(ToolDescription { description: definition.description, parameters })
    }

    /// Calls the tool. `arguments` is a JSON object as text; the answer is text.
    ///
    /// # Errors
    /// The tool's own, and those of its sandbox.
    pub async fn call_tool(
        self: &Arc<Self>,
        context: CallContext,
        arguments: &str,
    ) -> Result<String, ToolError> {
        let secrets = Arc::clone(&self.secrets);
        let mut sandbox = self.enter(context.clone(), secrets).await.map_err(ToolError::Stopped)?;
        let overflow = sandbox.scratch_overflow().map_err(|fault| self.stopped(fault, &context))?;
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            match tool(instance) {
                Ok(tool) => {
                    let call = stopwatch.run(tool.call_call(store, arguments, &self.settings_text));
                    match overflow {
                        Some(overflow) => tokio::select! {
                            outcome = call => outcome,
                            fault = overflow => Err(fault),
                        },
                        None => call.await,
                    }
                }
                Err(fault) => Err(fault),
            }
        };
        let answer = self.end(sandbox, outcome, &context).map_err(ToolError::Stopped)?;
        let redact = |text: String| self.secrets.redact_text(&text).into_owned();
        match answer {
            Ok(text) => Ok(redact(text)),
            Err(wit::ToolError::InvalidArguments(reason)) => Err(ToolError::InvalidArguments(redact(reason))),
            Err(wit::ToolError::Failed(reason)) => {
                let failure = self.failed(Failure::new(FailureKind::Upstream, redact(reason)), &context);
                Err(ToolError::Failed(failure.message))
            }
        }
    }

    fn stopped(&self, fault: Fault, context: &CallContext) -> ToolError {
        ToolError::Stopped(self.blame(fault, context))
    }
}

fn tool(instance: &Instance) -> Result<&wit::Guest, Fault> {
    match instance {
        Instance::Tool(plugin) => Ok(plugin.hardpoint_plugin_tool()),
        _ => Err(Fault::Host("this plugin is no tool".into())),
    }
}
