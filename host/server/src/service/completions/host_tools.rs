//! The tools that the host itself calls for a model.

use std::sync::Arc;

use futures_util::future::join_all;
use hardpoint_domain::message::{ContentPart, Message, Role, ToolCall, ToolDefinition};
use hardpoint_runtime::{Binding, CallContext, Catalogue, ToolError};

use crate::service::tools::definition;

/// Calls of one round that run side by side.
const SIDE_BY_SIDE: usize = 4;

/// Bound plugin tools, by the names that the model knows them by.
#[derive(Default)]
pub(super) struct HostTools {
    tools: Vec<(String, Tool)>,
    /// The client's own tools, whose names are not the host's to answer.
    clients: Vec<String>,
}

/// What answers a call; in tests, a function.
pub(super) enum Tool {
    Plugin(Arc<Binding>),
    #[cfg(test)]
    Script(fn(&str) -> Result<String, ToolError>),
}

impl HostTools {
    /// The tools of these names, and their definitions for the model. One that there is not, or that
    /// cannot say what it does, is left out: the model answers as well as it can without it. So is one
    /// whose name the client uses for a tool of its own.
    pub(super) async fn find(
        names: &[String],
        catalogue: &Catalogue,
        context: &CallContext,
        clients: &[ToolDefinition],
    ) -> (Self, Vec<ToolDefinition>) {
        let mut found = Self::new(clients);
        let mut definitions = Vec::new();
        for name in names {
            if clients.iter().any(|tool| tool.name == *name) {
                continue;
            }
            let Some(binding) = catalogue.binding_for(&context.organization, name) else {
                tracing::warn!(tool = %name, "a model's tool is not there for this organisation: see `hardpoint plugin list`");
                continue;
            };
            match definition(binding, context.clone()).await {
                Ok(definition) => {
                    definitions.push(definition);
                    found.tools.push((name.clone(), Tool::Plugin(Arc::clone(binding))));
                }
                Err(failure) => {
                    tracing::warn!(tool = %name, %failure, "a model's tool does not say what it does")
                }
            }
        }
        (found, definitions)
    }

    pub(super) fn new(clients: &[ToolDefinition]) -> Self {
        let clients = clients.iter().map(|tool| tool.name.clone()).collect();
        Self { tools: Vec::new(), clients }
    }

    #[cfg(test)]
    pub(super) fn add(&mut self, name: &str, tool: Tool) {
        self.tools.push((name.to_owned(), tool));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Whether a call of this name is the host's to answer. A name that nobody knows is: the model is
    /// told so and can mend its call, where a client could only fail.
    pub(super) fn answers(&self, name: &str) -> bool {
        !self.is_empty() && !self.clients.iter().any(|client| client == name)
    }

    /// Answers the calls of a round, in their order.
    pub(super) async fn run(&self, context: &CallContext, calls: &[ToolCall]) -> Vec<Message> {
        let mut answers = Vec::with_capacity(calls.len());
        for some in calls.chunks(SIDE_BY_SIDE) {
            answers.extend(join_all(some.iter().map(|call| self.answer(context, call))).await);
        }
        answers
    }

    async fn answer(&self, context: &CallContext, call: &ToolCall) -> Message {
        let text = match self.tools.iter().find(|(name, _)| *name == call.name) {
            Some((_, tool)) => tool.call(context.clone(), call).await,
            None => told("unknown_tool", &format!("there is no tool named {}", call.name)),
        };
        Message {
            role: Role::Tool,
            content: vec![ContentPart::Text(text)],
            name: None,
            reasoning: None,
            refusal: None,
            tool_calls: Vec::new(),
            tool_call_id: Some(call.id.clone()),
        }
    }
}

impl Tool {
    /// What the model is told: the answer, or why there is none. A tool's failure is data for the model.
    async fn call(&self, context: CallContext, call: &ToolCall) -> String {
        // Some models leave the arguments of a function without parameters empty.
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        let outcome = match self {
            Self::Plugin(binding) => binding.call_tool(context, arguments).await,
            #[cfg(test)]
            Self::Script(answer) => answer(arguments),
        };
        match outcome {
            Ok(text) => text,
            Err(ToolError::InvalidArguments(reason)) => told("invalid_arguments", &reason),
            Err(ToolError::Failed(reason)) => told("tool_failed", &reason),
            Err(ToolError::Stopped(failure)) => {
                tracing::warn!(tool = %call.name, %failure, "a tool was stopped");
                told(failure.code.as_deref().unwrap_or("tool_failed"), "the tool could not be run")
            }
        }
    }
}

fn told(kind: &str, message: &str) -> String {
    serde_json::json!({ "error": { "type": kind, "message": message } }).to_string()
}
